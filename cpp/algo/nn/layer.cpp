// One dense layer on its own: rows go through tiles, threads share each tile's products.
#include "product.hpp"

namespace coterie::nn {
namespace {

constexpr index kRows = 1024;  // a tile

template <class T>
struct Layer {
  Op op;
  index chunk;
  Layer(index inputs, index outputs, index rows, Activation activation, double alpha)
      : op{Kind::dense, inputs, outputs}, chunk(std::clamp<index>(rows, 1, kRows)) {
    op.activation = activation;
    op.alpha = alpha;
    op.weights = 0;
  }
  OwnTile<T> tile(index extra) const {
    Plan plan(Net({op}), nullptr, true);
    plan.lines = op.inputs + extra * op.outputs;
    return OwnTile<T>(plan, chunk);
  }
};

template <class T>
threads::Crew crew_for(index rows, index inputs, index outputs, double times, int n_threads) {
  const double work =
      times * double(rows) * double(inputs) * double(outputs) / double(kernels<T>().width);
  return threads::Crew(threads::worth(work, n_threads));
}

// Rows from on to lines, and lines to rows.
template <class T>
void to_lines(const View<T>& x, index first, Tile<T>& tile, T* lines, const Team& team) {
  team.pieces(tile.lanes, 4 * kernels<T>().width, kPassage * double(x.cols), [&](index a, index b) {
    const index rows = std::max<index>(0, std::min(b, tile.rows) - a);
    kernels<T>().turn({x.data + (first + a) * x.stride, x.stride, nullptr, rows, x.cols, lines + a,
                       tile.ld, b - a});
  });
}
template <class T>
void to_rows(const T* lines, index columns, index first, const Tile<T>& tile, T* out,
             const Team& team) {
  team.pieces(tile.rows, 4 * kernels<T>().width, kPassage * double(columns), [&](index a, index b) {
    kernels<T>().turn({lines + a, tile.ld, nullptr, columns, b - a, out + (first + a) * columns,
                       columns, columns});
  });
}

// f(first row, tile, team) for all tiles, on every thread.
template <class T, class F>
void over_tiles(index rows, const Tile<T>& whole, index chunk, threads::Crew& crew, const F& f) {
  crew.together([&](threads::Crew::Member& member) {
    Tile<T> tile = whole;
    for (index first = 0; first < rows; first += chunk) {
      tile.rows = std::min(chunk, rows - first);
      tile.lanes = round_up_to(tile.rows, kernels<T>().width);
      f(first, tile, Team{member.size() > 1 ? &member : nullptr});
    }
  });
}

}  // namespace

template <class T>
void dense_forward(const View<T>& x, const View<T>& w, const T* b, Activation activation,
                   double alpha, T* z, T* a, int n_threads) {
  const index inputs = w.rows, outputs = w.cols;
  const Layer<T> layer(inputs, outputs, x.rows, activation, alpha);
  const OwnTile<T> own = layer.tile(1);
  T *in = own.line(0), *out = own.line(inputs);
  threads::Crew crew = crew_for<T>(x.rows, inputs, outputs, 1, n_threads);
  over_tiles<T>(x.rows, own, layer.chunk, crew, [&](index first, Tile<T>& tile, const Team& team) {
    to_lines(x, first, tile, in, team);
    product<T>({in, tile.ld, tile.lanes, inputs, outputs, w.data, w.stride, false, b, out, tile.ld,
                Activation::linear, T(alpha), nullptr, 0},
               team);
    if (z) to_rows(out, outputs, first, tile, z, team);
    team.pieces(
        tile.lanes, kernels<T>().width, kPassage * double(outputs), [&](index r0, index r1) {
          kernels<T>().activate(
              {activation, T(alpha), r1 - r0, outputs, out + r0, tile.ld, out + r0, tile.ld});
        });
    to_rows(out, outputs, first, tile, a, team);
  });
}

template <class T>
void dense_backward(const View<T>& da, const View<T>& x, const View<T>& w, const View<T>& z,
                    const View<T>& a, Activation activation, double alpha, T* dx, T* dw, T* db,
                    int n_threads) {
  const index inputs = w.rows, outputs = w.cols;
  Layer<T> layer(inputs, outputs, x.rows, activation, alpha);
  const OwnTile<T> own = layer.tile(2);
  T *in = own.line(0), *from = own.line(inputs), *d = own.line(inputs + outputs);
  threads::Crew crew = crew_for<T>(x.rows, inputs, outputs, dx ? 2 : 1, n_threads);
  std::fill_n(dw, inputs * outputs, T(0));
  if (db) std::fill_n(db, outputs, T(0));
  over_tiles<T>(x.rows, own, layer.chunk, crew, [&](index first, Tile<T>& tile, const Team& team) {
    to_lines(x, first, tile, in, team);
    to_lines(da, first, tile, d, team);
    to_lines(needs_inputs(activation) ? z : a, first, tile, from, team);
    derive(layer.op, tile, from, d, team);
    weights_gradient<T>(Step{layer.op, 0}, tile, in, d, dw, db, first > 0, team);
    if (!dx) return;
    product<T>({d, tile.ld, tile.lanes, outputs, inputs, w.data, w.stride, true, nullptr, in,
                tile.ld, Activation::linear, T(0), nullptr, 0},
               team);
    to_rows(in, inputs, first, tile, dx, team);
  });
}

#define COTERIE_INSTANTIATE(T)                                                                  \
  template void dense_forward(const View<T>&, const View<T>&, const T*, Activation, double, T*, \
                              T*, int);                                                         \
  template void dense_backward(const View<T>&, const View<T>&, const View<T>&, const View<T>&,  \
                               const View<T>&, Activation, double, T*, T*, T*, int);
COTERIE_INSTANTIATE(float)
COTERIE_INSTANTIATE(double)

}  // namespace coterie::nn
