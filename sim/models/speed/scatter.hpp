// Values at scattered points of three dimensions, and between them: piecewise linear over the Delaunay triangulation
// of the points, computed once by Qhull. Profile tables need it where no measurement has the same placement. A
// compiled table is flat and immutable; a look-up allocates nothing and gives the same bits on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery {

using Point3 = std::array<double, 3>;

class ScatterTable {
 public:
  static constexpr std::size_t kValues = 2;
  using Values = std::array<double, kValues>;

  // Triangulates. Fewer than four points, or points that all lie in a plane, are an error.
  [[nodiscard]] static Expected<ScatterTable> make(std::vector<Point3> points, std::vector<Values> values);

  // The value at `p`, linear between the corners of the tetrahedron that holds it; nothing outside the convex hull.
  [[nodiscard]] std::optional<Values> at(const Point3& p) const;
  // The same; outside the convex hull the value at the nearest measured point on the way to the points' middle.
  [[nodiscard]] Values at_or_clamped(const Point3& p) const;
  [[nodiscard]] std::size_t tetrahedra() const { return cells_.size(); }

 private:
  static constexpr std::int32_t kOutside = -1;
  struct Cell {
    std::array<std::uint32_t, 4> corners{};
    std::array<std::int32_t, 4> beyond{};  // the cell on the other side of the face opposite each corner
    std::array<double, 5> plane{};         // the cell's facet of the lifted hull: normal and offset
    bool flat = false;                     // without volume: has no inverse
    std::array<Point3, 3> inverse{};       // barycentric coordinates of p: inverse x (p - last corner)
  };
  using Weights = std::array<double, 4>;

  bool triangulate();
  [[nodiscard]] Weights weights(const Cell& c, const Point3& p) const;
  [[nodiscard]] std::int32_t near(const Point3& p) const;
  [[nodiscard]] std::int32_t walk(std::int32_t cell, const Point3& p) const;
  [[nodiscard]] std::int32_t search_all(const Point3& p) const;
  void fill_boxes();
  [[nodiscard]] std::size_t box(double at, std::size_t dimension) const;  // its number along a dimension

  std::vector<Point3> points_;
  std::vector<Values> values_;
  std::vector<Cell> cells_;
  Point3 low_{}, high_{}, middle_{};
  // A grid of boxes over all points: by box, ascending, the cells that search_all() may find a point of it in.
  static constexpr std::size_t kBoxes = 8;  // along each dimension
  std::vector<std::uint32_t> in_boxes_, box_begins_;
  double lift_scale_ = 1, lift_shift_ = 0;  // of the fourth coordinate, as Qhull scaled it
};

}  // namespace orrery
