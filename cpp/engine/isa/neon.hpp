// AArch64: Advanced SIMD with FMA.
#pragma once
#define COTERIE_ISA neon
#define COTERIE_VECTOR_BYTES 16
#define COTERIE_NV 4
#define COTERIE_NR 6
#define COTERIE_RR 4
#define COTERIE_RC 5
#define COTERIE_PANEL_BYTES 262144
#define COTERIE_L1_BYTES 32768
