#include "items.hpp"

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "../../base/threads.hpp"
#include "../../engine/rounding.hpp"

namespace coterie::top_n {
namespace {

constexpr index kBlock = 1024;   // rows a task
constexpr index kSample = 4096;  // rows whose mean is the origin: any point near the data does
constexpr double kPlain =
    1e18;  // norms within this and its inverse: products stay far inside float32

}  // namespace

template <class T>
double norm(const T* x, index depth, const double* zeros) {
  const double square = isa::kernels<T>().distance(x, depth, zeros);
  if (square > kTiny * kTiny && square < kVast * kVast) return std::sqrt(square);
  double top = 0;
  for (index p = 0; p < depth; ++p) top = std::max(top, std::abs(double(x[p])));
  if (top == 0) return 0;
  double sum = 0;
  for (index p = 0; p < depth; ++p) sum += (x[p] / top) * (x[p] / top);
  return top * std::sqrt(sum);
}

float radius_of(float squares, index depth) {
  const double rounding = 1 + 2 * kUlp * double(depth + 8);
  const double radius = std::sqrt(double(squares) * rounding) * (1 + 1e-6) + 4 * kUlp + 1e-30;
  return std::nextafter(static_cast<float>(radius), FLT_MAX);
}

template <class T>
Items<T>::Items(const View<T>& rows, Metric metric, Keep keep, int n_threads)
    : rows_(rows),
      metric_(metric),
      lengths_(metric == Metric::cosine || metric == Metric::angular ? rows.rows : 0),
      shift_(round_up(rows.cols, 8), 0.0),
      zeros_(round_up(rows.cols, 8), 0.0),
      nothing_(rows.cols, 0.0f),
      factor_(panels() * panel_rows(), 0.0f),
      bias_(panels() * panel_rows(), 0.0f) {
  std::fill(bias_.data() + rows.rows, bias_.data() + bias_.size(), -FLT_MAX);
  if (metric == Metric::euclidean) center();
  scale_rows(n_threads);
  if (metric == Metric::euclidean) bias_rows(n_threads);
  if (keep == Keep::bytes) quantise(n_threads);
  if (keep == Keep::halves && !biased()) halve(n_threads);
}

template <class T>
void Items<T>::center() {
  const index step = std::max<index>(1, rows_.rows / kSample);
  index count = 0;
  for (index i = 0; i < rows_.rows; i += step, ++count)
    for (index p = 0; p < rows_.cols; ++p) shift_[p] += double(rows_.row(i)[p]);
  for (index p = 0; p < rows_.cols; ++p) {
    if (count > 0) shift_[p] /= double(count);
    usable_ = usable_ && std::isfinite(shift_[p]);
    if (!std::isfinite(shift_[p])) shift_[p] = 0;
  }
}

template <class T>
void Items<T>::scale_rows(int n_threads) {
  const index blocks = (rows_.rows + kBlock - 1) / kBlock;
  Buffer<double> longest(std::max<index>(1, blocks), 0.0);
  std::atomic<bool> plain{true}, usable{true};
  threads::parallel_blocks(blocks, n_threads, [&](index b, int) {
    for (index i = b * kBlock; i < std::min(rows_.rows, (b + 1) * kBlock); ++i) {
      const double length =
          biased() ? std::sqrt(isa::kernels<T>().distance(rows_.row(i), rows_.cols, shift_.data()))
                   : norm(rows_.row(i), rows_.cols, zeros_.data());
      longest[b] = std::max(longest[b], length);
      const bool fits = length == 0 || (length > 1 / kPlain && length < kPlain);
      if (!fits) plain = false;
      if (length > 0 && !(1 / length < DBL_MAX)) usable = false;
      if (!unit()) continue;
      lengths_[i] = length;
      factor_[i] = length == 0 || !fits ? 0.0f : static_cast<float>(1 / length);
    }
  });
  plain_ = plain && !biased();
  usable_ = usable_ && usable;
  if (unit()) return;
  const double top = *std::max_element(longest.data(), longest.data() + longest.size());
  scale_ = top > 0 && std::isfinite(1 / top) ? 1 / top : 0;
  usable_ = usable_ && (top == 0 || scale_ > 0);
  std::fill(factor_.data(), factor_.data() + rows_.rows, static_cast<float>(plain_ ? scale_ : 0));
}

template <class T>
void Items<T>::scaled(index row, index rows, float* out) const {
  constexpr index kRows = 64;
  double scale[kRows];
  for (index r = 0; r < rows; r += kRows) {
    const index count = std::min(kRows, rows - r);
    for (index i = 0; i < count; ++i) {
      scale[i] = scale_;
      if (!unit()) continue;
      const double length = lengths_[row + r + i];
      scale[i] = 1 / length < DBL_MAX ? 1 / length : 0;
    }
    leaves<T>().scaled({rows_.row(row + r), rows_.stride, count, rows_.cols, shift_.data(), scale,
                        out + r * rows_.cols});
  }
}

template <class T>
void Items<T>::bias_rows(int n_threads) {
  const index blocks = (rows_.rows + kBlock - 1) / kBlock;
  threads::parallel_blocks(blocks, n_threads, [&](index b, int) {
    for (index i = b * kBlock; i < std::min(rows_.rows, (b + 1) * kBlock); ++i) {
      const double square = isa::kernels<T>().distance(rows_.row(i), rows_.cols, shift_.data());
      bias_[i] = static_cast<float>(usable_ ? -0.5 * square * scale_ * scale_ : 0);
    }
  });
}

template <class T>
void Items<T>::pack(index p, float* scratch, float* panel) const {
  const index mr = panel_rows(), first = p * mr, rows = std::min(mr, rows_.rows - first);
  const index cols = rows_.cols;
  scaled(first, rows, scratch);
  isa::kernels<float>().pack_lanes(scratch, cols, rows, cols, rows * cols, nothing_.data(), panel,
                                   scratch + mr * cols);
}

template <class T>
void Items<T>::quantise(int n_threads) {
  const index mr = panel_rows(), cols = rows_.cols;
  bytes_ = Buffer<std::int32_t>(checked_product(panels(), words() * mr), 0);
  byte_scale_ = Buffer<float>(panels() * mr, 0.0f);
  radius_ = Buffer<float>(panels() * mr, 0.0f);
  threads::parallel_blocks(panels(), n_threads, [&](index p, int) {
    Buffer<float> rows(mr * cols);
    const index first = p * mr, count = std::min(mr, rows_.rows - first);
    scaled(first, count, rows.data());
    auto* out = reinterpret_cast<std::uint8_t*>(bytes_.data() + p * words() * mr);
    for (index r = 0; r < count; ++r) {
      float squares;
      isa::table().top_n->quantise(rows.data() + r * cols, cols, mr * 4, 128, out + r * 4,
                                   &byte_scale_[first + r], &squares);
      radius_[first + r] = radius_of(squares, cols);
    }
  });
  for (index i = 0; i < rows_.rows; ++i) typical_radius_ += double(radius_[i]) / double(rows_.rows);
}

// Each value to the nearest that ends in sixteen zeros.
template <class T>
void Items<T>::halve(int n_threads) {
  const index cols = rows_.cols, blocks = (rows_.rows + kBlock - 1) / kBlock;
  halves_ = Buffer<std::uint16_t>(checked_product(rows_.rows, cols));
  byte_scale_ = Buffer<float>(panels() * panel_rows(), 1.0f);
  radius_ = Buffer<float>(panels() * panel_rows(), 0.0f);
  threads::parallel_blocks(blocks, n_threads, [&](index b, int) {
    Buffer<float> row(cols);
    for (index i = b * kBlock; i < std::min(rows_.rows, (b + 1) * kBlock); ++i) {
      scaled(i, 1, row.data());
      double squares = 0;
      for (index p = 0; p < cols; ++p) {
        std::uint32_t bits;
        std::memcpy(&bits, &row[p], 4);
        const std::uint32_t upper = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, back = upper << 16;
        float near;
        std::memcpy(&near, &back, 4);
        halves_[i * cols + p] = static_cast<std::uint16_t>(upper);
        squares += (double(row[p]) - double(near)) * (double(row[p]) - double(near));
      }
      radius_[i] = radius_of(static_cast<float>(squares), cols);
    }
  });
}

template <class T>
std::int64_t Items<T>::nbytes() const {
  const auto floats = factor_.size() + bias_.size() + byte_scale_.size() + radius_.size();
  return 4 * (floats + bytes_.size()) + 2 * halves_.size() +
         8 * (lengths_.size() + shift_.size() + zeros_.size());
}

template class Items<float>;
template class Items<double>;
template double norm(const float*, index, const double*);
template double norm(const double*, index, const double*);

}  // namespace coterie::top_n
