// One step of training: a batch's gradient from its chunks, and the update.
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "pass.hpp"

namespace coterie::nn {

template <class T>
class Stepper {
 public:
  // batch_rows: at most as many rows a step. Nothing is allocated later.
  Stepper(const Net& net, const Objective& objective, T* theta, T* state, index batch_rows,
          int n_threads);

  // Every batch will be the same rows in the same order: their lines are made once and kept.
  void keep_rows();
  // Loss, its penalties included, and metrics summed over the rows; partial gradients wait for
  // `update`.
  Sums run(Batch<T> batch);
  // step(), which runs and updates, again and again until it returns false; on any thread.
  template <class F>
  void repeat(const F& step) {
    crew_.repeat(step);
  }
  // theta from the partial gradients, at the optimiser's next iteration.
  void update(Optimizer& optimizer, T* slots);
  // The gradient itself; what is not trained is 0.
  void gradient(T* out);

  // An interrupt comes before the parameters are touched, or after.
  bool atomic() const { return !most_.layers; }

 private:
  bool place(const Batch<T>& batch, index chunk, index rows, Tile<T>& tile);
  void run_shards(const Batch<T>& batch, const Cut& cut);
  void run_layers(const Batch<T>& batch, const Cut& cut);
  template <class F>
  void together(const F& work);
  void pass(const Batch<T>& batch, index begin, bool load, Tile<T>& tile, const Team& team);
  void cut_weights();
  void cut_weights(index i, Piece share);
  void weights_of_steps(const UpdateTask<T>* task);
  double penalty() const;
  void reduce_parts();
  UpdateTask<T> task_of(const Optimizer& optimizer, T* slots) const;

  Plan plan_;
  Objective objective_;
  T* theta_;
  index batch_rows_;
  index size_, stride_;  // of theta; of one partial gradient
  int n_threads_;        // worth having for a full batch
  Cut most_;
  threads::Crew crew_;  // within a tile and in the update
  Weights<T> weights_;
  std::vector<std::unique_ptr<OwnTile<T>>> tiles_;  // one a thread
  std::vector<Penalised> merged_;
  std::vector<std::pair<index, Piece>> pieces_;  // of weights, with their steps
  std::vector<index> shares_;                    // where those of each thread begin, and the end
  Buffer<T> parts_;
  Buffer<T> kept_;             // lines of x and y of every chunk
  std::vector<char> is_kept_;  // of each chunk: are they there?
  std::vector<Sums> sums_;     // one a chunk, or a few rows
  index n_sums_ = 0, n_parts_ = 1;
  bool add_ = false;  // the tile's gradient to that of the tiles before
  double penalty_factor_ = 1;
};

// The sums of all rows of the data: loss and penalties as `evaluate` reports them, for a plan that
// is not for training. Reuses its tiles.
template <class T>
class Evaluator {
 public:
  Evaluator(const Net& net, const Objective& objective, const T* theta, const T* state, index rows,
            int n_threads);
  void run(const Data<T>& data, double* results);  // 1 + metrics values

 private:
  Plan plan_;
  Objective objective_;
  int n_threads_;
  Cut cut_;
  Weights<T> weights_;
  std::vector<std::unique_ptr<OwnTile<T>>> tiles_;
  std::vector<Sums> sums_;
  index n_sparse_ = 0;
  Buffer<double> sparse_;  // a row a chunk: plan_.sparse's sums
};

template <class T>
double penalty_of(const std::vector<Penalised>& segments, const T* theta);
template <class T>
double divisor_of(const Objective& objective, const Batch<T>& batch);
int threads_for(const Plan& plan, index rows, index width, bool forward_only, int n_threads);

}  // namespace coterie::nn
