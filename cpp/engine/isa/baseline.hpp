// Any CPU of the target: SSE2 on x86-64, no FMA.
#pragma once
#define COTERIE_ISA baseline
#define COTERIE_VECTOR_BYTES 16
#define COTERIE_NV 2
#define COTERIE_NR 4
#define COTERIE_RR 2
#define COTERIE_RC 3
#define COTERIE_PANEL_BYTES 262144
#define COTERIE_L1_BYTES 32768
