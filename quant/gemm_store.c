/* SPDX-License-Identifier: MIT
 *
 * How both drivers of the panel GEMM leave a tile: tokens' results adjoin.
 */
#include "quant/gemm.h"

void cn_gemm_store(const struct cn_gemm *gemm, const float *tile, int64_t tile_stride, int n_rows,
                   int n_tokens, float *y, int64_t y_stride, bool add)
{
    if (gemm->transpose && n_rows == CN_PANEL_ROWS && n_tokens == CN_PANEL_ROWS) {
        gemm->transpose(tile, tile_stride, y, y_stride, add);
        return;
    }
    for (int t = 0; t < n_tokens; t++)
        for (int r = 0; r < n_rows; r++) {
            const float v = tile[r * tile_stride + t];
            y[t * y_stride + r] = add ? y[t * y_stride + r] + v : v;
        }
}
