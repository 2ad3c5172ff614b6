// Items prepared for search: how each is scaled for the float32 filter, and its bytes if wanted.
//
// The filter sees z = (y - shift) * scale: unit rows (cosine, angular), rows of norm <= 1 in a
// common scale (dot), or the same about the mean with the bias -|z|^2 / 2 (euclidean), so that the
// best score is the nearest item.
#pragma once
#include "../../base/buffer.hpp"
#include "../../engine/isa.hpp"
#include "../../engine/top_n_table.hpp"
#include "top_n.hpp"

namespace coterie::top_n {

constexpr double kUlp = 0x1p-24;  // half a unit in the last place of a float32

template <class T>
const TopNKernels<T>& leaves();
template <>
inline const TopNKernels<float>& leaves<float>() {
  return isa::table().top_n->f32;
}
template <>
inline const TopNKernels<double>& leaves<double>() {
  return isa::table().top_n->f64;
}

inline const ByteKernels& byte_kernels() {
  const TopNTable& table = *isa::table().top_n;
  return isa::has_byte_dot() ? table.bytes_dot : table.bytes;
}

inline index panel_rows() { return isa::kernels<float>().mr; }

// What is kept of each row beside its scale.
enum class Keep {
  nothing,
  halves,  // rows as the filter sees them, the upper halves of float32 values: half the traffic of
           // a query
  bytes,   // rows of bytes: a quarter of it, and of the products if the CPU multiplies bytes
};

template <class T>
class Items {
 public:
  Items(const View<T>& rows, Metric metric, Keep keep, int n_threads);

  const View<T>& rows() const { return rows_; }
  Metric metric() const { return metric_; }
  bool unit() const { return metric_ == Metric::cosine || metric_ == Metric::angular; }
  bool biased() const { return metric_ == Metric::euclidean; }
  bool has_bytes() const { return bytes_.size() > 0; }
  bool has_halves() const { return halves_.size() > 0; }
  index panels() const { return (rows_.rows + panel_rows() - 1) / panel_rows(); }

  const double* lengths() const { return lengths_.data(); }  // unit rows: |y|
  const double* shift() const { return shift_.data(); }
  const double* zeros() const { return zeros_.data(); }
  double scale() const { return scale_; }  // the common one; 1 for unit rows
  bool usable() const { return usable_; }  // or the filter knows nothing, and every item counts

  // Panel p for the kernel: cols lines. scratch: panel_rows() * (cols + 1).
  void pack(index p, float* scratch, float* panel) const;
  void scaled(index row, index rows, float* out) const;  // rows x cols, as the filter sees them

  // Rows as they lie, where one float factor and a bias make them what `pack` makes.
  bool plain() const { return plain_; }
  const float* factors() const { return factor_.data(); }
  const float* biases() const { return bias_.data(); }  // zeros but for euclidean; to whole panels

  // Bytes (TopNInt8Task), by panels.
  index words() const { return (rows_.cols + 3) / 4; }
  const std::int32_t* bytes(index p) const { return bytes_.data() + p * words() * panel_rows(); }
  const std::uint16_t* halves(index row) const { return halves_.data() + row * rows_.cols; }
  const float* byte_scales() const { return byte_scale_.data(); }
  const float* radii() const { return radius_.data(); }  // of what is kept
  double typical_radius() const { return typical_radius_; }

  std::int64_t nbytes() const;

 private:
  void scale_rows(int n_threads);
  void center();
  void bias_rows(int n_threads);
  void quantise(int n_threads);
  void halve(int n_threads);

  View<T> rows_;
  Metric metric_;
  bool usable_ = true, plain_ = true;
  double scale_ = 1, typical_radius_ = 0;
  Buffer<double> lengths_;
  Buffer<double> shift_, zeros_;  // cols, to a multiple of 8
  Buffer<float> nothing_;         // cols zeros
  Buffer<float> factor_, bias_;   // rows, to whole panels
  Buffer<std::int32_t> bytes_;
  Buffer<std::uint16_t> halves_;
  Buffer<float> byte_scale_, radius_;  // rows, to whole panels; with halves the scales are 1
};

// |x|, without overflow or underflow on the way; zeros: depth of them, to a multiple of 8.
template <class T>
double norm(const T* x, index depth, const double* zeros);

// |x - t a|, rounded up, from what TopNTable::quantise summed.
float radius_of(float squares, index depth);

constexpr double kTiny = 1e-140,
                 kVast = 1e140;  // beyond these a square may leave the range of doubles

}  // namespace coterie::top_n
