/* SPDX-License-Identifier: MIT
 *
 * What a gauge or a counter can have meant: the one place that knows which numbers stand for "not
 * known", how much power there can be, in which unit a battery's numbers are, and whether what a
 * battery gives is all that the system uses. Meters and samples from elsewhere ask here.
 */
#ifndef CN_PLAUSIBLE_H
#define CN_PLAUSIBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a number as it was read is one by which drivers and programs say that there is no value:
 * INT_MIN and INT_MAX of 32 and 64 bits, 0xffff, 0xffffffff, and these as milli units that a kernel
 * has turned into micro units. `raw` is in the unit of its source. */
bool cn_means_unknown(double raw);

/* Whether a source can have used so much in this time: up to 20 kW, for 20 ms more than that. No
 * socket takes a tenth of it; what says so was reset, or misread. */
bool cn_joules_possible(double added_uj, int64_t ns);
/* Whether a gauge may say so, either way: up to 20 kW. NaN is not possible. */
bool cn_watts_possible(double uw);

/* A power that was read, in uW: true if it can be believed. Else *why says why not (n_bytes). `raw`
 * is the number as it was read; what: of which file or column. */
bool cn_power_plausible(double raw, double uw, const char *what, char *why, size_t n_bytes);

/* ---- units of batteries ------------------------------------------------------------------------
 * A cell has 2 to 5 V and a pack up to 20 of them, and a running system draws 20 mA to 20 A: so V,
 * mV and uV, A, mA and uA cannot be taken for one another. Sizes are magnitudes; 0 is returned
 * where no unit fits. */

/* uV per unit of a voltage that is this large: 1, 1000 or 1000000. */
double cn_voltage_unit(double size);
/* uA per unit of a current that is this large, typically: 1, 1000 or 1000000. */
double cn_current_unit(double size);
/* uA per unit of a current that is said to be in uA: 1, or 1000 if that would be less than any
 * running system draws; 0: not known yet (size 0). */
int cn_micro_or_milli(double size);
enum { CN_LEAST_MICRO = 20000 /* uA or uW that a running system draws */ };

/* "V", "mV", "uV" for 1000000, 1000, 1, with the letter of the quantity ('V', 'A', 'W') behind. */
const char *cn_unit_name(double micro_per_unit, char quantity, char name[4]);

/* ---- what a battery's number is of ----------------------------------------------------------- */

enum cn_flow { CN_FLOW_OUT, CN_FLOW_IN, CN_FLOW_STILL, CN_FLOW_NOT_SAID };

/* By the words of /sys and of Android: "Discharging", "Charging", "Full", "Not charging". */
enum cn_flow cn_flow_of(const char *status);

/* What is known of a battery at one moment, from any source. */
struct cn_supply {
    const char *battery; /* its name, for sentences */
    enum cn_flow flow;   /* as its status says */
    int charger; /* 1: some charger is online; 0: there are, all offline; -1: none is known */
    const char *charger_name; /* of the one that is online; NULL: not known */
};

/* Whether what the battery gives now is all that the system uses; else *why says why not. A charger
 * that is online gives a part even while the battery discharges. One that is offline beats a status
 * that sticks at "Not charging" or "Full". */
bool cn_battery_is_all(const struct cn_supply *supply, char *why, size_t n_bytes);

/* The signs that a battery's current was seen with while its status said that it discharges. */
struct cn_signs {
    int first;    /* of the first current, -1 or 1; 0: none yet */
    bool flipped; /* the other was seen, too */
};

/* A current came in, as it was read, while the status says that the battery discharges. False, with
 * *why, if its sign says that the battery is charged: the first sign seen is that of use, and a
 * status that stays while the sign flips is not believed. */
bool cn_sign_is_use(struct cn_signs *signs, double raw, const char *what, char *why,
                    size_t n_bytes);
/* Whether signs that flipped leave open which of them is use: the kernel's rule says that a battery
 * in use is below 0, and the first one seen was above. */
bool cn_signs_contradict(const struct cn_signs *signs);

#endif
