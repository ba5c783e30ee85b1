#include "sim/models/speed/scatter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

extern "C" {
#include <libqhull_r/qhull_ra.h>
}

namespace orrery {
namespace {

// A point this little outside a cell (in barycentric coordinates) counts as inside: corners and shared faces. Towards
// a flat cell it may be further out.
constexpr double kSlack = 100 * 2.220446049250313e-16;
constexpr double kBroadSlack = 1.4901161193847656e-07;

// Qhull's state, freed on every way out.
struct Qhull {
  qhT state{};
  std::FILE* messages = std::tmpfile();
  Qhull() { qh_zero(&state, messages); }
  Qhull(const Qhull&) = delete;
  Qhull& operator=(const Qhull&) = delete;
  ~Qhull() {
    state.NOerrexit = True;
    qh_freeqhull(&state, !qh_ALL);
    int long_bytes = 0, long_count = 0;
    qh_memfreeshort(&state, &long_bytes, &long_count);
    if (messages != nullptr) std::fclose(messages);
  }
};

Point3 minus(const Point3& a, const Point3& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}
double magnitude(double v) {
  return v < 0 ? -v : v;
}

// The inverse of the matrix with columns a, b, c, as rows; false when it has none worth the name.
bool invert(const Point3& a, const Point3& b, const Point3& c, std::array<Point3, 3>& out) {
  const auto cross = [](const Point3& u, const Point3& v) {
    return Point3{u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
  };
  // Rows are scaled before the determinant is judged: nodes, GPUs and samples differ by orders of magnitude.
  double scale = 1;
  for (std::size_t d = 0; d < 3; ++d) scale *= std::max({magnitude(a[d]), magnitude(b[d]), magnitude(c[d])});
  const Point3 bc = cross(b, c);
  const double det = a[0] * bc[0] + a[1] * bc[1] + a[2] * bc[2];
  if (!(magnitude(det) > 1e-12 * scale)) return false;
  const Point3 ca = cross(c, a), ab = cross(a, b);
  for (std::size_t i = 0; i < 3; ++i) {
    out[0][i] = bc[i] / det;
    out[1][i] = ca[i] / det;
    out[2][i] = ab[i] / det;
  }
  return true;
}

}  // namespace

// The cells in Qhull's order, which is the order in which every tool that calls Qhull so numbers them.
bool ScatterTable::triangulate() {
  Qhull hull;
  qhT* qh = &hull.state;
  char command[] = "qhull d Qt Qbb Qc Qz Q12";
  if (qh_new_qhull(qh, 3, static_cast<int>(points_.size()), points_.front().data(), False, command, nullptr,
                   hull.messages) != 0)
    return false;
  std::vector<std::int32_t> cell_of(qh->facet_id, kOutside);
  std::int32_t count = 0;
  for (facetT* f = qh->facet_list; f != nullptr && f->next != nullptr; f = f->next)
    if (f->upperdelaunay == 0U) cell_of[f->id] = count++;
  for (facetT* f = qh->facet_list; f != nullptr && f->next != nullptr; f = f->next) {
    if (f->upperdelaunay != 0U) continue;
    if (qh_setsize(qh, f->vertices) != 4 || qh_setsize(qh, f->neighbors) != 4) return false;
    Cell c;
    for (int i = 0; i < 4; ++i) {
      const auto* vertex = static_cast<vertexT*>(f->vertices->e[i].p);
      const auto* neighbor = static_cast<facetT*>(f->neighbors->e[i].p);
      const int id = qh_pointid(qh, vertex->point);
      if (id < 0 || static_cast<std::size_t>(id) >= points_.size()) return false;
      c.corners[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(id);
      c.beyond[static_cast<std::size_t>(i)] = cell_of[neighbor->id];
      c.plane[static_cast<std::size_t>(i)] = f->normal[i];
    }
    c.plane[4] = f->offset;
    cells_.push_back(c);
  }
  if (qh->SCALElast != 0U) {
    lift_scale_ = qh->last_newhigh / (qh->last_high - qh->last_low);
    lift_shift_ = -qh->last_low * lift_scale_;
  }
  return !cells_.empty();
}

Expected<ScatterTable> ScatterTable::make(std::vector<Point3> points, std::vector<Values> values) {
  ScatterTable t;
  t.points_ = std::move(points);
  t.values_ = std::move(values);
  if (t.points_.size() < 5 || t.points_.size() != t.values_.size() || !t.triangulate())
    return fail(fmt::format("{} measured points span no volume of (nodes, GPUs, batch)", t.points_.size()));
  for (Cell& c : t.cells_) {
    const auto corner = [&](std::size_t i) { return minus(t.points_[c.corners[i]], t.points_[c.corners[3]]); };
    c.flat = !invert(corner(0), corner(1), corner(2), c.inverse);
  }
  t.low_ = t.high_ = t.points_.front();
  for (const Point3& p : t.points_)
    for (std::size_t d = 0; d < 3; ++d) {
      t.low_[d] = std::min(t.low_[d], p[d]);
      t.high_[d] = std::max(t.high_[d], p[d]);
      t.middle_[d] += p[d] / static_cast<double>(t.points_.size());
    }
  t.fill_boxes();
  return t;
}

std::size_t ScatterTable::box(double at, std::size_t d) const {
  const double part = (at - low_[d]) / (high_[d] - low_[d]) * static_cast<double>(kBoxes);
  return static_cast<std::size_t>(std::clamp(part, 0.0, static_cast<double>(kBoxes - 1)));
}

// A cell is in the boxes that its corners span, widened by more than rounding can make of the weights of a cell that
// is nearly flat; a flat one in those of its neighbours, which stand for it.
void ScatterTable::fill_boxes() {
  constexpr double kWiden = 0.01;
  using Range = std::array<std::array<std::size_t, 2>, 3>;
  const auto widen = [&](const Cell& c, Range& range) {
    for (std::size_t d = 0; d < 3; ++d) {
      const double margin = kWiden * (high_[d] - low_[d]);
      for (const std::uint32_t corner : c.corners) {
        range[d][0] = std::min(range[d][0], box(points_[corner][d] - margin, d));
        range[d][1] = std::max(range[d][1], box(points_[corner][d] + margin, d));
      }
    }
  };
  std::vector<std::vector<std::uint32_t>> boxes(kBoxes * kBoxes * kBoxes);
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    Range range;
    range.fill({kBoxes, 0});
    if (!cells_[i].flat) widen(cells_[i], range);
    for (const std::int32_t n : cells_[i].beyond) {
      const bool stands_for_it = cells_[i].flat && n != kOutside && !cells_[static_cast<std::size_t>(n)].flat;
      if (stands_for_it) widen(cells_[static_cast<std::size_t>(n)], range);
    }
    for (std::size_t x = range[0][0]; x <= range[0][1]; ++x)
      for (std::size_t y = range[1][0]; y <= range[1][1]; ++y)
        for (std::size_t z = range[2][0]; z <= range[2][1]; ++z)
          boxes[(x * kBoxes + y) * kBoxes + z].push_back(static_cast<std::uint32_t>(i));
  }
  box_begins_ = {0};
  for (const auto& cells : boxes) {
    in_boxes_.insert(in_boxes_.end(), cells.begin(), cells.end());
    box_begins_.push_back(static_cast<std::uint32_t>(in_boxes_.size()));
  }
}

ScatterTable::Weights ScatterTable::weights(const Cell& c, const Point3& p) const {
  const Point3 r = minus(p, points_[c.corners[3]]);
  Weights w{};
  w[3] = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    w[i] = c.inverse[i][0] * r[0] + c.inverse[i][1] * r[1] + c.inverse[i][2] * r[2];
    w[3] -= w[i];
  }
  return w;
}

// A cell near `p`: from the first, always on to a neighbour whose plane the lifted point is further below.
std::int32_t ScatterTable::near(const Point3& p) const {
  const double lifted = lift_shift_ + lift_scale_ * (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
  const auto below = [&](std::int32_t cell) {
    const auto& e = cells_[static_cast<std::size_t>(cell)].plane;
    return e[4] + e[0] * p[0] + e[1] * p[1] + e[2] * p[2] + e[3] * lifted;
  };
  std::int32_t at = 0;
  double best = below(at);
  for (bool moved = true; moved && best <= 0;) {
    moved = false;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::int32_t next = cells_[static_cast<std::size_t>(at)].beyond[k];
      if (next == kOutside) continue;
      const double d = below(next);
      if (!(d > best + kSlack * (1 + magnitude(best)))) continue;  // enough to come to an end
      at = next;
      best = d;
      moved = true;
    }
  }
  return at;
}

// From cell to cell through the faces that `p` lies beyond, until it lies beyond none.
std::int32_t ScatterTable::walk(std::int32_t cell, const Point3& p) const {
  for (std::size_t steps = 0; steps <= cells_.size() / 4; ++steps) {
    const Cell& c = cells_[static_cast<std::size_t>(cell)];
    if (c.flat) return search_all(p);
    const Weights w = weights(c, p);
    const auto beyond = std::find_if(w.begin(), w.end(), [](double v) { return v < -kSlack; });
    if (beyond == w.end())
      return std::all_of(w.begin(), w.end(), [](double v) { return v <= 1 + kSlack; }) ? cell : search_all(p);
    cell = c.beyond[static_cast<std::size_t>(beyond - w.begin())];
    if (cell == kOutside) return kOutside;
  }
  return search_all(p);
}

std::int32_t ScatterTable::search_all(const Point3& p) const {
  const auto inside = [](double w, double slack) { return w >= -slack && w <= 1 + kSlack; };
  const std::size_t here = (box(p[0], 0) * kBoxes + box(p[1], 1)) * kBoxes + box(p[2], 2);
  for (std::uint32_t at = box_begins_[here]; at < box_begins_[here + 1]; ++at) {
    const std::size_t i = in_boxes_[at];
    if (!cells_[i].flat) {
      const Weights w = weights(cells_[i], p);
      if (std::all_of(w.begin(), w.end(), [&inside](double v) { return inside(v, kSlack); }))
        return static_cast<std::int32_t>(i);
      continue;
    }
    for (const std::int32_t n : cells_[i].beyond) {
      if (n == kOutside || cells_[static_cast<std::size_t>(n)].flat) continue;
      const Cell& c = cells_[static_cast<std::size_t>(n)];
      const Weights w = weights(c, p);
      bool all = true;
      for (std::size_t k = 0; k < 4; ++k)
        all = all && inside(w[k], c.beyond[k] == static_cast<std::int32_t>(i) ? kBroadSlack : kSlack);
      if (all) return n;
    }
  }
  return kOutside;
}

std::optional<ScatterTable::Values> ScatterTable::at(const Point3& p) const {
  for (std::size_t d = 0; d < 3; ++d)
    if (!(p[d] >= low_[d] - kSlack && p[d] <= high_[d] + kSlack)) return std::nullopt;
  const std::int32_t cell = walk(near(p), p);
  if (cell == kOutside) return std::nullopt;
  const Cell& c = cells_[static_cast<std::size_t>(cell)];
  const Weights w = weights(c, p);
  Values out{};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t v = 0; v < kValues; ++v) out[v] += w[i] * values_[c.corners[i]][v];
  return out;
}

ScatterTable::Values ScatterTable::at_or_clamped(const Point3& p) const {
  if (const auto v = at(p)) return *v;
  // Halving the way from the middle (inside) to `p` (outside) finds the surface to the last bit in 60 steps.
  double inside = 0, outside = 1;
  Values best = at(middle_).value_or(values_.front());
  for (int i = 0; i < 60; ++i) {
    const double half = (inside + outside) / 2;
    Point3 q{};
    for (std::size_t d = 0; d < 3; ++d) q[d] = middle_[d] + half * (p[d] - middle_[d]);
    const auto v = at(q);
    (v ? inside : outside) = half;
    if (v) best = *v;
  }
  return best;
}

}  // namespace orrery
