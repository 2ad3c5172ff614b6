// x86-64-v4: AVX-512 F, BW, DQ, VL.
#define COTERIE_ISA avx512
#define COTERIE_VECTOR_BYTES 64
#define COTERIE_NV 4
#define COTERIE_NR 6
#define COTERIE_RR 4
#define COTERIE_RC 5
#define COTERIE_PANEL_BYTES 262144
#define COTERIE_L1_BYTES 32768
#include "../leaf/leaf.hpp"
