/* SPDX-License-Identifier: MIT
 *
 * The traps that meters of energy set, one tree each: what other tools were seen to get wrong (a
 * wrap that became negative joules, zones that contain each other added up, sockets lost, mA taken
 * as uA, guesses in place of a refusal), and what is right.
 */
#include "profiler/meters/meter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

/* A tree is lines "path: content"; "path! " makes a file that nobody may read, "path* " a
 * program, "path- " removes it. A newline within a content is written as |. */
struct trap {
    const char *what;
    const char *meter;  /* NULL: the best there is */
    const char *before; /* the tree */
    const char *after;  /* what then changes; NULL: nothing */
    double joules;      /* of a counter from before to after, of a gauge in 1 s; NAN: refused */
    const char *says;   /* in the reason, the sources or what a failed read says; NULL: anything */
    const char *name;   /* of the channel that is taken; NULL: anything */
};

#define RAPL   "sys/class/powercap/intel-rapl"
#define SUPPLY "sys/class/power_supply/"
#define HWMON  "sys/class/hwmon/hwmon"
#define POWER  "sys/bus/event_source/devices/power/"
#define RANGE  "262143328850"
#define NONE   ((double)NAN)

#define PMU                                                                                \
    POWER "type: 20\n" POWER "events/energy-pkg: event=0x02\n" POWER                       \
          "events/energy-pkg.scale: 2.3283064365386962e-10\n" POWER                        \
          "events/energy-pkg.unit: Joules\n" POWER "events/energy-ram: event=0x03\n" POWER \
          "events/energy-ram.scale: 1.52587890625e-05\n"

#define ODPM "sys/bus/iio/devices/iio:device"
#define PIXEL                                                                                  \
    ODPM "0/name: accelerometer\n" ODPM                                                        \
         "1/energy_value: t=100|CH0(T=100)[S2M_VDD_CPUCL2], 1000|CH1(T=100)[S4M_VDD_CPUCL0], " \
         "2000|CH2(T=100)[L15M_VDD_SLC_M], 300|CH3(T=100)[S1M_VDD_MIF], 50\n" ODPM             \
         "2/energy_value: t=100|CH0(T=100)[VSYS_PWR_MODEM], 70|CH1(T=100)[ODD], 5\n"
#define PIXEL_LATER                                                                               \
    ODPM "1/energy_value: t=350|CH0(T=350)[S2M_VDD_CPUCL2], 4001000|CH1(T=350)[S4M_VDD_CPUCL0], " \
         "1002000|CH2(T=350)[L15M_VDD_SLC_M], 700300|CH3(T=350)[S1M_VDD_MIF], 500050\n" ODPM      \
         "2/energy_value: t=350|CH0(T=350)[VSYS_PWR_MODEM], 250070|CH1(T=350)[ODD], 9000005\n"

/* 11 rails of 1 V and 0.1 A, and the core's 0.75 V and 2 A: 2.6 W. */
#define VCGENCMD "usr/bin/vcgencmd"
#define ADC                                                                                      \
    VCGENCMD "* #!/bin/sh|cat <<END|"                                                            \
             "  3V7_WL_SW_A current(0)=0.1A|  3V3_SYS_A current(1)=0.1A|  1V8_SYS_A "            \
             "current(2)=0.1A|  DDR_VDD2_A current(3)=0.1A|  DDR_VDDQ_A current(4)=0.1A|"        \
             "  1V1_SYS_A current(5)=0.1A|  0V8_SW_A current(6)=0.1A|  VDD_CORE_A "              \
             "current(7)=2.00000000A|  3V3_DAC_A current(17)=0.1A|  3V3_ADC_A current(18)=0.1A|" \
             "  0V8_AON_A current(16)=0.1A|  HDMI_A current(22)=0.1A|"                           \
             "  3V7_WL_SW_V volt(8)=1V|  3V3_SYS_V volt(9)=1V|  1V8_SYS_V volt(10)=1V|"          \
             "  DDR_VDD2_V volt(11)=1V|  DDR_VDDQ_V volt(12)=1V|  1V1_SYS_V volt(13)=1V|"        \
             "  0V8_SW_V volt(14)=1V|  VDD_CORE_V volt(15)=0.75000000V|  3V3_DAC_V volt(20)=1V|" \
             "  3V3_ADC_V volt(21)=1V|  0V8_AON_V volt(19)=1V|  HDMI_V volt(23)=1V|"
#define ADC_PLAIN                                                                               \
    VCGENCMD "* #!/bin/sh|for r in 3V7_WL_SW 3V3_SYS 1V8_SYS DDR_VDD2 DDR_VDDQ 1V1_SYS 0V8_SW " \
             "3V3_DAC 3V3_ADC 0V8_AON HDMI; do|echo ${r}_A=0.1; echo ${r}_V=1.0|done|"          \
             "echo VDD_CORE_A=2.0|echo VDD_CORE_V=0.75|"

/* clang-format off */
static const struct trap traps[] = {
    /* ---- RAPL through powercap ---- */
    { "a wrap adds what was left of the range", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 262143000000\n" RAPL ":0/max_energy_range_uj: " RANGE "\n",
      RAPL ":0/energy_uj: 1000000\n", 1.32885, NULL, "powercap:package" },
    { "a wrap without a readable range is not known", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 262143000000\n",
      RAPL ":0/energy_uj: 1000000\n", NONE, "max_energy_range_uj cannot be read", NULL },
    { "a range that nobody may read makes a wrap unknown", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 262143000000\n" RAPL ":0/max_energy_range_uj! " RANGE "\n",
      RAPL ":0/energy_uj: 1000000\n", NONE, "max_energy_range_uj cannot be read", NULL },
    { "a driver reloaded is no wrap of 262 kJ", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 900000000\n" RAPL ":0/max_energy_range_uj: " RANGE "\n",
      RAPL ":0/energy_uj: 0\n", NONE, "reset", NULL },
    { "psys holds package holds core: not 14.44 J", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 0\n" RAPL ":0:0/name: core\n" RAPL ":0:0/energy_uj: 0\n"
      RAPL ":0:1/name: uncore\n" RAPL ":0:1/energy_uj: 0\n" RAPL ":1/name: psys\n" RAPL ":1/energy_uj: 0\n",
      RAPL ":0/energy_uj: 3780000\n" RAPL ":0:0/energy_uj: 840000\n"
      RAPL ":0:1/energy_uj: 210000\n" RAPL ":1/energy_uj: 9610000\n", 3.78, NULL, "powercap:package" },
    { "the platform alone when asked for", "powercap:psys",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 0\n" RAPL ":1/name: psys\n" RAPL ":1/energy_uj: 0\n",
      RAPL ":0/energy_uj: 3780000\n" RAPL ":1/energy_uj: 9610000\n", 9.61, NULL, NULL },
    { "two psys: which is the platform is not guessed", "powercap:psys",
      RAPL ":0/name: psys\n" RAPL ":0/energy_uj: 0\n" RAPL ":1/name: psys\n" RAPL ":1/energy_uj: 9000000\n",
      NULL, NONE, "psys", NULL },
    { "dram of all four sockets, though they have one name", "powercap:dram",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 0\n" RAPL ":0:0/name: dram\n" RAPL ":0:0/energy_uj: 0\n"
      RAPL ":1/name: package-1\n" RAPL ":1/energy_uj: 0\n" RAPL ":1:0/name: dram\n" RAPL ":1:0/energy_uj: 0\n"
      RAPL ":2/name: package-2\n" RAPL ":2/energy_uj: 0\n" RAPL ":2:0/name: dram\n" RAPL ":2:0/energy_uj: 0\n"
      RAPL ":3/name: package-3\n" RAPL ":3/energy_uj: 0\n" RAPL ":3:0/name: dram\n" RAPL ":3:0/energy_uj: 0\n",
      RAPL ":0:0/energy_uj: 1000000\n" RAPL ":1:0/energy_uj: 2000000\n"
      RAPL ":2:0/energy_uj: 4000000\n" RAPL ":3:0/energy_uj: 8000000\n", 15, NULL, NULL },
    { "the package does not hold the dram of a server", "powercap:package",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 0\n" RAPL ":0:0/name: dram\n" RAPL ":0:0/energy_uj: 0\n",
      RAPL ":0/energy_uj: 5000000\n" RAPL ":0:0/energy_uj: 2000000\n", 5, NULL, NULL },
    { "mmio is a second view of the same socket", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 100\n"
      RAPL "-mmio:0/name: package-0\n" RAPL "-mmio:0/energy_uj: 777777777\n",
      RAPL ":0/energy_uj: 4000100\n" RAPL "-mmio:0/energy_uj: 781777777\n", 4, "is another view of", NULL },
    { "mmio alone is as good", "powercap",
      RAPL "-mmio:0/name: package-0\n" RAPL "-mmio:0/energy_uj: 100\n",
      RAPL "-mmio:0/energy_uj: 2000100\n", 2, NULL, NULL },
    { "dies of an AMD socket mirror one counter", "powercap",
      RAPL ":0/name: package-0-die-0\n" RAPL ":0/energy_uj: 71000000\n"
      RAPL ":1/name: package-0-die-1\n" RAPL ":1/energy_uj: 71000040\n",
      RAPL ":0/energy_uj: 76000000\n" RAPL ":1/energy_uj: 76000040\n", 5, "mirrors", NULL },
    { "dies with counters of their own each count", "powercap",
      RAPL ":0/name: package-0-die-0\n" RAPL ":0/energy_uj: 71000000\n"
      RAPL ":1/name: package-0-die-1\n" RAPL ":1/energy_uj: 9000000\n",
      RAPL ":0/energy_uj: 76000000\n" RAPL ":1/energy_uj: 12000000\n", 8, NULL, NULL },
    { "a socket that nobody may read spoils the sum", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 5\n" RAPL ":1/name: package-1\n" RAPL ":1/energy_uj! 5\n",
      NULL, NONE, "intel-rapl:1/energy_uj: permission denied", NULL },
    { "a socket without a name spoils the sum", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 5\n" RAPL ":1/energy_uj: 5\n",
      NULL, NONE, "intel-rapl:1/name: no such file", "powercap:package" },
    { "a socket whose name nobody may read spoils the sum", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 5\n" RAPL ":1/name! package-1\n" RAPL ":1/energy_uj: 5\n",
      NULL, NONE, "intel-rapl:1/name: permission denied", NULL },
    { "a socket alone without a name", "powercap",
      RAPL ":0/energy_uj: 5\n", NULL, NONE, "intel-rapl:0/name: no such file", NULL },
    { "a part without a name spoils the sum of parts", "powercap:dram",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 5\n" RAPL ":0:0/name: dram\n" RAPL ":0:0/energy_uj: 5\n"
      RAPL ":1/name: package-1\n" RAPL ":1/energy_uj: 5\n" RAPL ":1:0/energy_uj: 5\n",
      NULL, NONE, "intel-rapl:1:0/name: no such file", NULL },
    { "and not the sum of sockets", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 0\n" RAPL ":0:0/energy_uj: 0\n",
      RAPL ":0/energy_uj: 2000000\n", 2, NULL, "powercap:package" },
    { "a second view without a name is left out as ever", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 0\n" RAPL "-mmio:0/energy_uj: 0\n",
      RAPL ":0/energy_uj: 2000000\n", 2, NULL, NULL },
    { "a name is missing at the link and there inside", "powercap",
      RAPL ":0/energy_uj: 0\n" RAPL "/intel-rapl:0/name: package-0\n" RAPL "/intel-rapl:0/energy_uj: 0\n",
      RAPL "/intel-rapl:0/energy_uj: 2000000\n", 2, NULL, NULL },
    { "200 kJ in a moment are none", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 5\n" RAPL ":0/max_energy_range_uj: " RANGE "\n",
      RAPL ":0/energy_uj: 200000000005\n", NONE, "intel-rapl:0: the counter jumped forward", NULL },
    { "200 kJ of a board's counter", "hwmon:i915:energy1",
      HWMON "5/name: i915\n" HWMON "5/energy1_input: 5000000\n", HWMON "5/energy1_input: 200005000000\n",
      NONE, "jumped forward", NULL },
    { "root only since PLATYPUS", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj! 5\n", NULL, NONE, "CVE-2020-8694", NULL },
    { "directories inside each other and links beside them", "powercap",
      RAPL "/intel-rapl:0/name: package-0\n" RAPL "/intel-rapl:0/energy_uj: 0\n"
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 0\n",
      RAPL "/intel-rapl:0/energy_uj: 3000000\n" RAPL ":0/energy_uj: 3000000\n", 3, NULL, NULL },
    { "other control types are no energy", NULL,
      "sys/class/powercap/dtpm/name: dtpm\n" "sys/class/powercap/dtpm/power_uw: 5000000\n",
      NULL, NONE, "no intel-rapl zone", NULL },
    { "a virtual machine has no RAPL, and no guess in its place", NULL,
      "proc/cpuinfo: flags\t\t: fpu avx2 hypervisor lahf_lm\n", NULL, NONE, "virtual machine", NULL },
    { "the counter vanishes in mid-run", "powercap",
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj: 5\n", RAPL ":0/energy_uj- \n",
      NONE, "energy_uj: no such file", NULL },

    /* ---- RAPL through perf ---- */
    { "counts times their scale", "perf",
      PMU POWER "cpumask: 0\n" POWER "counts/energy-pkg.0: 1000\n" POWER "counts/energy-ram.0: 0\n",
      POWER "counts/energy-pkg.0: 21474837480\n" POWER "counts/energy-ram.0: 65536\n", 5, NULL, "perf:package" },
    { "more counts in a moment than there can be joules", "perf",
      PMU POWER "cpumask: 0\n" POWER "counts/energy-pkg.0: 1000\n" POWER "counts/energy-ram.0: 0\n",
      POWER "counts/energy-pkg.0: 858993459200000\n", NONE, "energy-pkg on CPU 0: the count jumped", NULL },
    { "each event has a scale of its own", "perf:dram",
      PMU POWER "cpumask: 0\n" POWER "counts/energy-pkg.0: 0\n" POWER "counts/energy-ram.0: 0\n",
      POWER "counts/energy-ram.0: 131072\n", 2, NULL, NULL },
    { "one event for each CPU of the mask", "perf",
      PMU POWER "cpumask: 0,18\n" POWER "counts/energy-pkg.0: 0\n" POWER "counts/energy-pkg.18: 0\n",
      POWER "counts/energy-pkg.0: 4294967296\n" POWER "counts/energy-pkg.18: 8589934592\n", 3,
      "energy-pkg on CPU 0 + energy-pkg on CPU 18", NULL },
    { "a package of the mask that cannot be opened spoils the sum", "perf",
      PMU POWER "cpumask: 0,18\n" POWER "counts/energy-pkg.0: 0\n" POWER "counts/energy-pkg.18! 0\n",
      NULL, NONE, "energy-pkg on CPU 18: permission denied", NULL },
    { "an AMD package with a CPU of the mask in each die counts once", "perf",
      "proc/cpuinfo: processor\t: 0|vendor_id\t: AuthenticAMD|\n"
      "sys/devices/system/cpu/cpu0/topology/physical_package_id: 0\n"
      "sys/devices/system/cpu/cpu8/topology/physical_package_id: 0\n"
      "sys/devices/system/cpu/cpu64/topology/physical_package_id: 1\n"
      PMU POWER "cpumask: 0,8,64\n" POWER "counts/energy-pkg.0: 0\n" POWER "counts/energy-pkg.8: 0\n"
      POWER "counts/energy-pkg.64: 0\n",
      POWER "counts/energy-pkg.0: 4294967296\n" POWER "counts/energy-pkg.8: 4294967296\n"
      POWER "counts/energy-pkg.64: 4294967296\n", 2, "mirror it: CPU 8", NULL },
    { "perf_event_paranoid forbids", "perf",
      PMU POWER "cpumask: 0\n" POWER "counts/energy-pkg.0! 0\n" "proc/sys/kernel/perf_event_paranoid: 2\n",
      NULL, NONE, "kernel.perf_event_paranoid is 2", NULL },
    { "an unknown unit is not taken as joules", "perf",
      PMU POWER "events/energy-pkg.unit: Watts\n" POWER "cpumask: 0\n" POWER "counts/energy-pkg.0: 0\n",
      NULL, NONE, "expected Joules, found Watts", NULL },
    { "no scale, no joules", "perf",
      POWER "type: 20\n" POWER "cpumask: 0\n" POWER "events/energy-pkg: event=0x02\n" POWER "counts/energy-pkg.0: 0\n",
      NULL, NONE, "energy-pkg.scale: no such file", NULL },
    { "a PMU in a tree that is not the machine's", "perf", PMU POWER "cpumask: 0\n", NULL, NONE,
      "is not the running system", NULL },
    { "where powercap is forbidden perf is taken", NULL,
      RAPL ":0/name: package-0\n" RAPL ":0/energy_uj! 5\n" PMU POWER "cpumask: 0\n" POWER "counts/energy-pkg.0: 0\n",
      POWER "counts/energy-pkg.0: 4294967296\n", 1, NULL, "perf:package" },

    /* ---- hwmon ---- */
    { "an INA3221: mV times mA, the board and not the sum with its parts", "hwmon",
      HWMON "3/name: ina3221\n" HWMON "3/in1_label: VDD_IN\n" HWMON "3/in1_input: 5000\n" HWMON "3/curr1_input: 2000\n"
      HWMON "3/in2_label: VDD_CPU_GPU_CV\n" HWMON "3/in2_input: 5000\n" HWMON "3/curr2_input: 800\n"
      HWMON "3/in3_label: VDD_SOC\n" HWMON "3/in3_input: 5000\n" HWMON "3/curr3_input: 400\n"
      HWMON "3/in7_label: sum of shunt voltages\n" HWMON "3/in7_input: 12\n", NULL, 10, "parts are not added", "hwmon:ina3221:VDD_IN" },
    { "a rail of an INA3221 by its label", "hwmon:ina3221:VDD_CPU_GPU_CV",
      HWMON "3/name: ina3221\n" HWMON "3/in1_label: VDD_IN\n" HWMON "3/in1_input: 5000\n" HWMON "3/curr1_input: 2000\n"
      HWMON "3/in2_label: VDD_CPU_GPU_CV\n" HWMON "3/in2_input: 5000\n" HWMON "3/curr2_input: 800\n", NULL, 4, NULL, NULL },
    { "the number of hwmonN moves at boot, the name does not", "hwmon:ina3221:VDD_IN",
      HWMON "0/name: coretemp\n" HWMON "0/temp1_input: 40000\n" HWMON "1/name: nvme\n"
      HWMON "12/name: ina3221\n" HWMON "12/in1_label: VDD_IN\n" HWMON "12/in1_input: 19000\n" HWMON "12/curr1_input: 500\n",
      NULL, 9.5, NULL, NULL },
    { "rails alone are not taken for the machine", NULL,
      HWMON "3/name: ina3221\n" HWMON "3/in1_label: VDD_GPU_SOC\n" HWMON "3/in1_input: 5000\n" HWMON "3/curr1_input: 2000\n",
      NULL, NONE, "powercap", NULL },
    { "a rail that is switched off is not 0 W", "hwmon:ina3221:VDD_IN",
      HWMON "3/name: ina3221\n" HWMON "3/in1_label: VDD_IN\n" HWMON "3/in1_input: 0\n" HWMON "3/curr1_input: 0\n"
      HWMON "3/in1_enable: 0\n", NULL, NONE, "in1_enable of ina3221 is 0", NULL },
    { "current that flows the other way is not 0 W", "hwmon:ina3221:VDD_IN",
      HWMON "3/name: ina3221\n" HWMON "3/in1_label: VDD_IN\n" HWMON "3/in1_input: 5000\n" HWMON "3/curr1_input: -2000\n",
      NULL, NONE, "curr1_input of ina3221 is below 0", NULL },
    { "a sensor that is mounted reversed is not 0 W", "hwmon:ina226:power1",
      HWMON "0/name: ina226\n" HWMON "0/power1_input: -4500000\n", NULL, NONE, "mounted reversed", NULL },
    { "two chips of one name are told apart", "hwmon:ina226:power1@hwmon1",
      HWMON "0/name: ina226\n" HWMON "0/power1_input: 1000000\n"
      HWMON "1/name: ina226\n" HWMON "1/power1_input: 7000000\n", NULL, 7, NULL, NULL },
    { "an ACPI power meter is the system", NULL,
      HWMON "2/name: power_meter\n" HWMON "2/power1_average: 231000000\n" HWMON "2/power1_average_interval: 1000\n",
      NULL, 231, NULL, "hwmon:power_meter:power1" },
    { "of an input that does not answer the average is taken", "hwmon:amdgpu:PPT",
      HWMON "2/name: amdgpu\n" HWMON "2/power1_label: PPT\n" HWMON "2/power1_average: 15000000\n" HWMON "2/power1_input! 0\n",
      NULL, 15, NULL, NULL },
    { "amd_energy: sockets are added, cores are parts of them", NULL,
      HWMON "4/name: amd_energy\n" HWMON "4/energy1_label: Ecore000\n" HWMON "4/energy1_input: 0\n"
      HWMON "4/energy2_label: Esocket0\n" HWMON "4/energy2_input: 0\n" HWMON "4/energy3_label: Esocket1\n" HWMON "4/energy3_input: 0\n",
      HWMON "4/energy1_input: 900000\n" HWMON "4/energy2_input: 2000000\n" HWMON "4/energy3_input: 3000000\n",
      5, "Esocket0 + Esocket1", "hwmon:amd_energy:sockets" },
    { "amd_energy: a socket that nobody may read spoils the sum", "hwmon",
      HWMON "4/name: amd_energy\n" HWMON "4/energy2_label: Esocket0\n" HWMON "4/energy2_input: 0\n"
      HWMON "4/energy3_label: Esocket1\n" HWMON "4/energy3_input! 0\n", NULL, NONE, "CVE-2020-12912", NULL },
    { "an energy counter that goes back is not known", "hwmon:i915:energy1",
      HWMON "5/name: i915\n" HWMON "5/energy1_input: 5000000\n", HWMON "5/energy1_input: 4000000\n",
      NONE, "went back", NULL },
    { "the battery's shadow in hwmon is not a second meter", "hwmon",
      HWMON "1/name: BAT0\n" HWMON "1/device/type: Battery\n" HWMON "1/power1_input: 9000000\n",
      NULL, NONE, "no power or energy sensor", NULL },

    /* ---- phones' rails ---- */
    { "rails beside each other are added, an LDO behind a buck is not", NULL, PIXEL, PIXEL_LATER,
      5.75, "S2M_VDD_CPUCL2 + S4M_VDD_CPUCL0 + S1M_VDD_MIF + VSYS_PWR_MODEM", "iio:rails" },
    { "the clusters of the CPU", "iio:cpu", PIXEL, PIXEL_LATER, 5, NULL, NULL },
    { "a rail by its name", "iio:L15M_VDD_SLC_M", PIXEL, PIXEL_LATER, 0.7, NULL, NULL },
    { "the older form of a pac1934", "iio:VSYS_PWR_DISPLAY",
      ODPM "1/energy_value: 3499|CH1[VSYS_PWR_MODEM], 29110940|CH3[VSYS_PWR_DISPLAY], 1000\n",
      ODPM "1/energy_value: 3999|CH1[VSYS_PWR_MODEM], 29110999|CH3[VSYS_PWR_DISPLAY], 1501000\n", 1.5, NULL, NULL },
    { "and bare names", "iio:rails",
      ODPM "1/energy_value: 3499|VSYS_PWR_MODEM, 500|VSYS_PWR_DISPLAY, 1000\n",
      ODPM "1/energy_value: 3999|VSYS_PWR_MODEM, 1000500|VSYS_PWR_DISPLAY, 1001000\n", 2, NULL, NULL },
    { "a rail that jumped", "iio:VSYS_A", ODPM "1/energy_value: t=1|CH0(T=1)[VSYS_A], 5000\n",
      ODPM "1/energy_value: t=2|CH0(T=2)[VSYS_A], 200000004000\n", NONE, "jumped forward", NULL },
    { "a rail that went back", "iio:VSYS_A", ODPM "1/energy_value: t=1|CH0(T=1)[VSYS_A], 5000\n",
      ODPM "1/energy_value: t=2|CH0(T=2)[VSYS_A], 4000\n", NONE, "went back", NULL },
    { "rails chosen anew in mid-run", "iio:VSYS_A", ODPM "1/energy_value: t=1|CH0(T=1)[VSYS_A], 5000\n",
      ODPM "1/energy_value: t=2|CH0(T=2)[VSYS_B], 6000\n", NONE, "other rails", NULL },
    { "energy_value of another form", "iio", ODPM "1/energy_value: hello\n", NULL, NONE, "not lines of rails", NULL },
    { "rails that only root may read", "iio", ODPM "1/energy_value! t=1|CH0(T=1)[VSYS_A], 5000\n",
      NULL, NONE, "iio:device1/energy_value: permission denied", NULL },

    /* ---- Raspberry Pi 5 ---- */
    { "12 rails of volts and amperes", "pmic", ADC "  EXT5V_V volt(24)=5.15V|  BATT_V volt(25)=0.01V|END\n",
      NULL, 2.6, "sum of V x A of 12 rails", "pmic:rails" },
    { "the other form of the firmware", NULL, ADC_PLAIN "\n", NULL, 2.6, NULL, "pmic:rails" },
    { "the board by a fit, and labelled so", "pmic:board", ADC_PLAIN "\n", NULL, 1.1451 * 2.6 + 0.5879, "modelled", NULL },
    { "a rail without its volts is not left out of the sum", "pmic",
      VCGENCMD "* #!/bin/sh|echo VDD_CORE_A current\\(7\\)=2.0A\n", NULL, NONE, "gave no", NULL },
    { "a Pi without the chip", "pmic",
      VCGENCMD "* #!/bin/sh|echo 'error=1 error_msg=\"Command not registered\"'\n", NULL, NONE, "Command not registered", NULL },
    { "a firmware tool that fails", "pmic", VCGENCMD "* #!/bin/sh|echo no device >&2|exit 255\n", NULL, NONE,
      "exit 255: no device", NULL },

    /* ---- batteries ---- */
    { "power_now in uW", "battery",
      SUPPLY "BAT0/type: Battery\n" SUPPLY "BAT0/status: Discharging\n" SUPPLY "BAT0/power_now: 8312000\n",
      NULL, 8.312, NULL, NULL },
    { "current in uA, positive", "battery",
      SUPPLY "b/type: Battery\n" SUPPLY "b/status: Discharging\n" SUPPLY "b/current_now: 812000\n" SUPPLY "b/voltage_now: 3900000\n",
      NULL, 3.1668, NULL, NULL },
    { "current in uA, negative on discharge", "battery",
      SUPPLY "b/type: Battery\n" SUPPLY "b/status: Discharging\n" SUPPLY "b/current_now: -812000\n" SUPPLY "b/voltage_now: 3900000\n",
      NULL, 3.1668, NULL, NULL },
    { "current in mA: not a thousandth of a watt", "battery",
      SUPPLY "b/type: Battery\n" SUPPLY "b/status: Discharging\n" SUPPLY "b/current_now: -812\n" SUPPLY "b/voltage_now: 3900000\n",
      NULL, 3.1668, "taken as mA", NULL },
    { "a power_now that is always 0 beside a current", "battery",
      SUPPLY "b/type: Battery\n" SUPPLY "b/status: Discharging\n" SUPPLY "b/power_now: 0\n" SUPPLY "b/current_now: 812000\n"
      SUPPLY "b/voltage_now: 3900000\n", NULL, 3.1668, NULL, NULL },
    { "two batteries are one supply, a mouse and a lid are none", "battery",
      SUPPLY "BAT0/type: Battery\n" SUPPLY "BAT0/status: Discharging\n" SUPPLY "BAT0/power_now: 6000000\n"
      SUPPLY "BAT1/type: Battery\n" SUPPLY "BAT1/status: Unknown\n" SUPPLY "BAT1/power_now: 3500000\n"
      SUPPLY "mouse/type: Battery\n" SUPPLY "mouse/scope: Device\n" SUPPLY "mouse/status: Discharging\n" SUPPLY "mouse/power_now: 99000000\n"
      SUPPLY "AC/type: Mains\n" SUPPLY "AC/online: 0\n", NULL, 9.5, NULL, NULL },
    { "charging: the current is the charger's balance", NULL,
      SUPPLY "BAT0/type: Battery\n" SUPPLY "BAT0/status: Charging\n" SUPPLY "BAT0/power_now: 20000000\n",
      NULL, NONE, "powercap", NULL },
    { "full on the charger is not discharging", "battery",
      SUPPLY "BAT0/type: Battery\n" SUPPLY "BAT0/status: Full\n" SUPPLY "BAT0/power_now: 20000000\n"
      SUPPLY "AC/type: Mains\n" SUPPLY "AC/online: 1\n", NULL, NONE, "charger feeds the system", NULL },
    { "plugged in while it runs", "battery",
      SUPPLY "BAT0/type: Battery\n" SUPPLY "BAT0/status: Discharging\n" SUPPLY "BAT0/power_now: 8000000\n",
      SUPPLY "BAT0/status: Charging\n", NONE, "is charging", NULL },
    { "a phone that forbids it: said, not 603 empty rows", "battery",
      SUPPLY "battery/type: Battery\n" SUPPLY "battery/status: Discharging\n" SUPPLY "battery/current_now! -812\n"
      SUPPLY "battery/voltage_now: 3900000\n", NULL, NONE, "current_now: permission denied", NULL },
    { "0 W while discharging is no reading", "battery",
      SUPPLY "BAT0/type: Battery\n" SUPPLY "BAT0/status: Discharging\n" SUPPLY "BAT0/power_now: 0\n",
      NULL, NONE, "0 W", NULL },
};
/* clang-format on */

static void apply(const struct tree *t, const char *lines)
{
    char *copy = strdup(lines), *save = copy, *line;
    assert_non_null(copy);
    while ((line = strsep(&save, "\n")) != NULL) {
        if (!*line)
            continue;
        /* Paths hold colons too: the mark is one before a blank. */
        char *mark = strchr(line, ' ');
        assert_non_null(mark);
        char how = mark[-1];
        mark[-1] = 0;
        for (char *s = mark + 1; *s; s++)
            if (*s == '|')
                *s = '\n';
        char path[1024];
        tree_path(t, line, path);
        (void)chmod(path, 0644);
        if (how == '-') {
            tree_unlink(t, line);
            continue;
        }
        tree_write(t, line, "%s\n", mark + 1);
        if (how == '*')
            tree_chmod(t, line, 0755);
        if (how == '!')
            tree_chmod(t, line, 0);
    }
    free(copy);
}

/* Reads all sources; NAN and what is said if one of them gives nothing. */
static double read_all(const struct cn_meter *meter, void *state, const struct cn_opened *about,
                       char said[200])
{
    double sum = 0;
    for (unsigned i = 0; i < about->n_sources; i++) {
        struct cn_reading r = { .value = -1 };
        enum cn_read result = meter->read(state, i, &r);
        for (int n = 0; result == CN_READ_SKIP && n < 100; n++)
            result = meter->read(state, i, &r);
        if (result != CN_READ_OK) {
            memcpy(said, r.why, 200);
            return NONE;
        }
        assert_true(r.value >= 0);
        sum += r.value;
    }
    return sum;
}

/* Joules, or NAN and why. */
static double measure(const struct trap *trap, const struct tree *t, struct cn_channel *channel,
                      char said[320])
{
    struct cn_meter_request request = { .root = t->root, .arg = "" };
    const struct cn_meter *meter;
    struct cn_opened about = { 0 };
    assert_int_equal(cn_meters_pick(&request, trap->meter, &meter, channel, NULL), 0);
    void *state = channel->info.ok ? meter->open(&request, channel, &about) : NULL;
    if (!state) {
        snprintf(said, 320, "%s", channel->info.reason);
        assert_true(said[0] != 0);
        return NONE;
    }
    snprintf(said, 320, "%s", channel->info.sources);
    char why[200] = "";
    double first = read_all(meter, state, &about, why), last = first;
    if (trap->after) {
        apply(t, trap->after);
        last = read_all(meter, state, &about, why);
    }
    meter->close(state);
    if (isnan(last))
        snprintf(said, 320, "%s", why);
    return 1e-6 * (channel->info.counter ? last - first : last);
}

static void test_traps(void **state)
{
    (void)state;
    size_t n = sizeof traps / sizeof *traps, wrong = 0;
    for (size_t i = 0; i < n; i++) {
        const struct trap *trap = &traps[i];
        struct tree t = tree_create();
        apply(&t, trap->before);
        struct cn_channel channel = { .automatic = false };
        char said[320] = "";
        double joules = measure(trap, &t, &channel, said);
        bool ok = isnan(trap->joules) ? isnan(joules) : fabs(joules - trap->joules) < 1e-6;
        ok = ok && (!trap->says || strstr(said, trap->says));
        ok = ok && (!trap->name || !strcmp(channel.info.name, trap->name));
        if (!ok)
            print_error("%s: %.9g J wanted, %.9g J by %s: %s\n", trap->what, trap->joules, joules,
                        channel.info.name, said);
        wrong += !ok;
        tree_remove(&t);
    }
    print_message("%zu trees\n", n);
    assert_int_equal(wrong, 0);
    assert_true(n >= 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
