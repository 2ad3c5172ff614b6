// A model as the kernels see it: packed, less the shift, in T.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "../../base/buffer.hpp"
#include "../../engine/isa.hpp"
#include "../../engine/rounding.hpp"
#include "gmm.hpp"

namespace coterie::gmm {

// Beyond it, exponentials are not normal numbers.
template <class T>
constexpr double kMostCut = sizeof(T) == 4 ? 87 : 708;

// How far below a row's largest logit one counts for nothing. What a component loses by it in all
// rows together is less than a 256th of eps of the weight it had; a weight that is not known is
// taken as 1e-4.
template <class T>
double cut_of(double weight) {
  const double eps = std::numeric_limits<T>::epsilon();
  return std::min(kMostCut<T>, -std::log(eps / 256 * (weight > 0 ? weight : 1e-4)));
}

// The kernels' view of a model: means less the shift, packed triangles, in T. `base` keeps
// constants small.
template <class T>
struct Packed {
  const Kernels<T>& kernels = isa::kernels<T>();
  const Covariance type;
  const index k, depth, factor_size;
  double base = 0;
  Buffer<T> shift, means, factors, constants, scale, lowest, reach, own_reach;
  const index offset_size;
  Buffer<T> offsets;  // full and diag: -T_c times the means
  Buffer<T> centers;  // tied, whose means are behind the triangle: the means where the rows are

  // cuts: is what counts for nothing in sums to be given up, or all responsibilities to be exact?
  Packed(const Model& m, const Values& about, bool cuts)
      : type(m.type),
        k(m.k),
        depth(m.depth),
        factor_size(triangle_size(kernels.triangle_rows, m.depth)),
        shift(m.depth),
        means(m.k * m.depth),
        factors(m.type == Covariance::full   ? m.k * factor_size
                : m.type == Covariance::tied ? factor_size
                                             : m.k * m.depth),
        constants(m.k),
        scale(m.k, T(-0.5)),
        lowest(m.k),
        reach(m.k),
        own_reach(m.k),
        offset_size(round_up(m.depth, kernels.triangle_rows)),
        offsets(m.type == Covariance::full || m.type == Covariance::diag ? m.k * offset_size : 0,
                T(0)),
        centers(m.type == Covariance::tied ? m.k * m.depth : 0) {
    base = *std::max_element(m.constants.begin(), m.constants.end());
    for (index f = 0; f < depth; ++f) shift[f] = static_cast<T>(about[f]);
    for (index c = 0; c < k; ++c) {
      constants[c] = static_cast<T>(std::max(m.constants[c] - base, -double(kHuge<T>)));
      const double cut = cuts ? cut_of<T>(m.weights[c]) : kMostCut<T>;
      lowest[c] = static_cast<T>(-cut);
      // What is given up for a partial sum would have been cut for the whole of it.
      own_reach[c] = constants[c] + static_cast<T>(cut + 0.25);
      reach[c] =
          cuts ? own_reach[c] + static_cast<T>(kMarkMargin) : std::numeric_limits<T>::infinity();
      for (index f = 0; f < depth; ++f)
        means[c * depth + f] = static_cast<T>(m.means[c * depth + f] - double(shift[f]));
      if (type == Covariance::full) pack_full(m, c);
      for (index f = 0; type == Covariance::diag && f < depth; ++f) {
        const T factor = factors[c * depth + f] = static_cast<T>(m.factors[c * depth + f]);
        offsets[c * offset_size + f] =
            static_cast<T>(-double(factor) * double(means[c * depth + f]));
      }
      if (type == Covariance::spherical)
        scale[c] = static_cast<T>(-0.5 * m.factors[c] * m.factors[c]);
    }
    if (type != Covariance::tied) return;
    std::copy_n(means.data(), k * depth, centers.data());
    pack(m.factors.data(), factors.data());
    for (index c = 0; c < k; ++c) {  // means where the rows will be: behind the shared triangle
      for (index i = 0; i < depth; ++i) {
        double sum = 0;
        for (index f = 0; f <= i; ++f)
          sum += m.factors[i * depth + f] * (m.means[c * depth + f] - double(shift[f]));
        means[c * depth + i] = static_cast<T>(sum);
      }
    }
  }

  static index triangle_size(index rows, index depth) {
    index size = 0;
    for (index j = 0; j < depth; j += rows) size += rows * std::min(j + rows, depth);
    return size;
  }

 private:
  void pack_full(const Model& m, index c) {
    const double* triangle = m.factors.data() + c * depth * depth;
    pack(triangle, factors.data() + c * factor_size);
    for (index i = 0; i < depth; ++i) {
      double sum = 0;
      for (index f = 0; f <= i; ++f)
        sum -= double(static_cast<T>(triangle[i * depth + f])) * double(means[c * depth + f]);
      offsets[c * offset_size + i] = static_cast<T>(sum);
    }
  }

  void pack(const double* triangle, T* to) const {
    const index rows = kernels.triangle_rows;
    for (index j = 0; j < depth; j += rows)
      for (index p = 0; p < std::min(j + rows, depth); ++p)
        for (index q = 0; q < rows; ++q)
          *to++ = j + q < depth ? static_cast<T>(triangle[(j + q) * depth + p]) : T(0);
  }
};

}  // namespace coterie::gmm
