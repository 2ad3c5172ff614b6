#include "nn_options.hpp"

#include <pybind11/stl.h>

#include <cmath>

namespace coterie::bind {
namespace {

template <class E>
struct Name {
  const char* name;
  E value;
};

constexpr Name<nn::Activation> kActivations[] = {
    {"linear", nn::Activation::linear},     {"step", nn::Activation::step},
    {"relu", nn::Activation::relu},         {"leaky_relu", nn::Activation::leaky_relu},
    {"elu", nn::Activation::elu},           {"selu", nn::Activation::selu},
    {"gelu", nn::Activation::gelu},         {"gelu_tanh", nn::Activation::gelu_tanh},
    {"sigmoid", nn::Activation::sigmoid},   {"tanh", nn::Activation::tanh},
    {"softplus", nn::Activation::softplus}, {"softmax", nn::Activation::softmax}};

constexpr Name<nn::Loss> kLosses[] = {{"mse", nn::Loss::mse},
                                      {"half_squared", nn::Loss::half_squared},
                                      {"mae", nn::Loss::mae},
                                      {"huber", nn::Loss::huber},
                                      {"binary_crossentropy", nn::Loss::binary},
                                      {"categorical_crossentropy", nn::Loss::categorical},
                                      {"sparse_categorical_crossentropy", nn::Loss::sparse},
                                      {"kl_divergence", nn::Loss::kl_divergence}};

constexpr Name<nn::Metric> kMetrics[] = {
    {"binary_accuracy", nn::Metric::binary_accuracy},
    {"categorical_accuracy", nn::Metric::categorical_accuracy},
    {"sparse_categorical_accuracy", nn::Metric::sparse_accuracy},
    {"mse", nn::Metric::mse},
    {"mae", nn::Metric::mae}};

constexpr Name<nn::Kind> kKinds[] = {
    {"dense", nn::Kind::dense},       {"activation", nn::Kind::activation},
    {"dropout", nn::Kind::dropout},   {"noise", nn::Kind::noise},
    {"activity", nn::Kind::activity}, {"batch_norm", nn::Kind::batch_norm}};

template <class E, std::size_t n>
E named(const Name<E> (&all)[n], const std::string& name, const char* what) {
  std::string valid;
  for (const Name<E>& one : all) {
    if (name == one.name) return one.value;
    valid += std::string(valid.empty() ? "'" : ", '") + one.name + "'";
  }
  refuse(what, ("one of " + valid).c_str(), "'", name, "'");
}

// The entries of a dict, each asked for once; what nobody asked for is an error.
class Entries {
 public:
  Entries(const py::dict& dict, const char* what) : dict_(dict), what_(what) {}
  template <class V>
  void get(const char* key, V& value) {
    if (!dict_.contains(key)) return;
    ++asked_;
    const py::object entry = dict_[key];
    if (!entry.is_none()) value = entry.cast<V>();
  }
  template <class V>
  V want(const char* key) {
    if (!dict_.contains(key)) refuse(what_, (std::string("a key '") + key + "'").c_str(), "none");
    V value{};
    get(key, value);
    return value;
  }
  // names: all keys that may stand there.
  void done(std::initializer_list<const char*> names) const {
    if (asked_ == dict_.size()) return;
    for (const auto& entry : dict_) {
      const auto key = entry.first.cast<std::string>();
      bool known = false;
      for (const char* name : names) known = known || key == name;
      if (!known) refuse(what_, "known keys", "'", key, "'");
    }
  }

 private:
  const py::dict& dict_;
  const char* what_;
  std::size_t asked_ = 0;
};

nn::Op op_of(const py::dict& dict) {
  Entries e(dict, "ops");
  nn::Op op{named(kKinds, e.want<std::string>("kind"), "kind"), e.want<index>("inputs"),
            e.want<index>("outputs")};
  std::string activation = "linear";
  e.get("activation", activation);
  op.activation = activation_of(activation);
  e.get("alpha", op.alpha);
  e.get("weights", op.weights);
  e.get("bias", op.bias);
  e.get("l1", op.kind == nn::Kind::activity ? op.activity_l1 : op.l1);
  e.get("l2", op.kind == nn::Kind::activity ? op.activity_l2 : op.l2);
  e.get("bias_l1", op.bias_l1);
  e.get("bias_l2", op.bias_l2);
  e.get("activity_l1", op.activity_l1);
  e.get("activity_l2", op.activity_l2);
  e.get("trainable", op.trainable);
  e.get("rate", op.rate);
  e.get("stddev", op.rate);
  e.get("stream", op.stream);
  e.get("kl_target", op.kl_target);
  e.get("kl_weight", op.kl_weight);
  e.get("gamma", op.gamma);
  e.get("beta", op.beta);
  e.get("mean", op.mean);
  e.get("variance", op.variance);
  e.get("momentum", op.momentum);
  e.get("epsilon", op.epsilon);
  e.done({"kind", "inputs",   "outputs",  "activation", "alpha",       "weights",     "bias",
          "l1",   "l2",       "bias_l1",  "bias_l2",    "activity_l1", "activity_l2", "trainable",
          "rate", "stddev",   "stream",   "kl_target",  "kl_weight",   "gamma",       "beta",
          "mean", "variance", "momentum", "epsilon"});
  return op;
}

}  // namespace

nn::Activation activation_of(const std::string& name) {
  return named(kActivations, name, "activation");
}

std::vector<nn::Op> ops_of(const py::list& ops) {
  std::vector<nn::Op> all;
  for (const auto& op : ops) all.push_back(op_of(op.cast<py::dict>()));
  return all;
}

nn::Objective objective_of(const py::dict& loss, const std::vector<std::string>& metrics) {
  Entries e(loss, "loss");
  nn::Objective o;
  o.loss = named(kLosses, e.want<std::string>("name"), "loss");
  std::string reduction = "mean";
  e.get("from_logits", o.from_logits);
  e.get("delta", o.delta);
  e.get("reduction", reduction);
  e.get("label_smoothing", o.label_smoothing);
  e.get("weighted_mean", o.weighted_mean);
  e.get("scale", o.scale);
  e.get("penalty_mean", o.penalty_mean);
  e.done({"name", "from_logits", "delta", "reduction", "label_smoothing", "weighted_mean", "scale",
          "penalty_mean"});
  if (reduction != "mean" && reduction != "sum")
    refuse("reduction", "'mean' or 'sum'", "'", reduction, "'");
  o.sum = reduction == "sum";
  if (metrics.size() > nn::kMaxMetrics) refuse("metrics", "at most 8", metrics.size());
  for (const std::string& name : metrics) o.metrics.push_back(named(kMetrics, name, "metrics"));
  return o;
}

nn::Rule rule_of(const py::dict& optimizer) {
  Entries e(optimizer, "optimizer");
  const auto name = e.want<std::string>("name");
  double momentum = 0;
  bool nesterov = false;
  e.get("momentum", momentum);
  e.get("nesterov", nesterov);
  if (name == "sgd")
    return momentum == 0 ? nn::Rule::sgd : nesterov ? nn::Rule::nesterov : nn::Rule::momentum;
  if (name == "adagrad") return nn::Rule::adagrad;
  if (name == "rmsprop") return momentum == 0 ? nn::Rule::rmsprop : nn::Rule::rmsprop_momentum;
  if (name == "adam" || name == "adamw") return nn::Rule::adam;
  refuse("optimizer", "'sgd', 'adagrad', 'rmsprop', 'adam' or 'adamw'", "'", name, "'");
}

nn::Optimizer optimizer_of(const py::dict& optimizer, Array<double>& rates) {
  Entries e(optimizer, "optimizer");
  nn::Optimizer o;
  o.rule = rule_of(optimizer);
  if (e.want<std::string>("name") == "adamw") o.weight_decay = 0.004;
  bool nesterov = false;
  py::object given = e.want<py::object>("learning_rates");
  e.get("momentum", o.momentum);
  e.get("nesterov", nesterov);
  e.get("rho", o.rho);
  e.get("beta_1", o.beta1);
  e.get("beta_2", o.beta2);
  e.get("epsilon", o.epsilon);
  e.get("weight_decay", o.weight_decay);
  e.get("clipnorm", o.clip_norm);
  e.get("clipvalue", o.clip_value);
  e.get("global_clipnorm", o.global_clip_norm);
  e.get("iterations", o.iterations);
  e.done({"name", "momentum", "nesterov", "rho", "beta_1", "beta_2", "epsilon", "weight_decay",
          "clipnorm", "clipvalue", "global_clipnorm", "learning_rates", "iterations"});
  rates = array_of<double>(given, "learning_rates");
  o.rates = in1d(rates, "learning_rates", -1);
  o.n_rates = rates.size();
  if (o.n_rates < 1) refuse("learning_rates", "at least one", "none");
  return o;
}

nn::Settings settings_of(const py::dict& settings) {
  Entries e(settings, "settings");
  nn::Settings s;
  e.get("epochs", s.epochs);
  e.get("initial_epoch", s.initial_epoch);
  e.get("batch_size", s.batch_size);
  e.get("shuffle", s.shuffle);
  e.get("seed", s.seed);
  e.get("n_threads", s.n_threads);
  e.done({"epochs", "initial_epoch", "batch_size", "shuffle", "seed", "n_threads"});
  if (s.batch_size < 1) refuse("batch_size", "a number >= 1", s.batch_size);
  threads1(s.n_threads);
  return s;
}

}  // namespace coterie::bind
