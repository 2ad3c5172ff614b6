// The leaves of linkage alone, gathered into a table of their own.
#include "center_step.hpp"
#include "cluster_lines.hpp"
#include "merge_rows.hpp"
#include "near_clusters.hpp"
#include "near_points.hpp"
#include "tree_step.hpp"

namespace coterie::COTERIE_ISA {

extern const LinkageTable linkage_table;
const LinkageTable linkage_table = {
    {near_clusters<SqEuclidean, Farthest>, near_clusters<SqEuclidean, Mean<true>>,
     near_clusters<Cosine, Farthest>, near_clusters<Cityblock, Farthest>,
     near_clusters<Cityblock, Mean<false>>, near_clusters<Chebyshev, Farthest>,
     near_clusters<Chebyshev, Mean<false>>},
    {cluster_lines<SqEuclidean, false, Farthest>, cluster_lines<SqEuclidean, true, ExactMean>,
     cluster_lines<Cosine, false, Farthest>, cluster_lines<Cityblock, false, Farthest>,
     cluster_lines<Cityblock, false, ExactMean>, cluster_lines<Chebyshev, false, Farthest>,
     cluster_lines<Chebyshev, false, ExactMean>},
    {near_points<NearProduct>, near_points<NearSquare>},
    {tree_step<StepSquare>, tree_step<StepCity>, tree_step<StepChebyshev>},
    center_nearest,
    center_within,
    row_kernels<float>(),
    row_kernels<double>()};

}  // namespace coterie::COTERIE_ISA
