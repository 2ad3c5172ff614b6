// x86-64-v3: AVX2 and FMA.
#define COTERIE_ISA avx2
#define COTERIE_VECTOR_BYTES 32
#define COTERIE_NV 2
#define COTERIE_NR 6
#define COTERIE_RR 2
#define COTERIE_RC 5
#define COTERIE_PANEL_BYTES 262144
#define COTERIE_L1_BYTES 32768
#include "../leaf/leaf.hpp"
