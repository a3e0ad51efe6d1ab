import CPostprocess

/// One axis of the patches that the content of the network's input divides the image into: those
/// image positions belong together that lie between the same two positions of the content.
struct PatchAxis: ~Copyable {
  /// Image positions from one patch to the next.
  private(set) var first: UnsafePointer<Int32>?
  /// Of each image position, how far it is from one side of its patch to the other, 0–1.
  private(set) var positions: UnsafePointer<Float>?
  /// Four planes, each a value a patch: two places and their weights, such that for a cubic the
  /// weighted sum over them is the sum over the patch's positions.
  private(set) var nodes: UnsafePointer<Float>?
  /// Values from one plane to the next.
  private(set) var stride = 0

  private var firstBuffer = ScratchBuffer<Int32>()
  private var floats = ScratchBuffer<Float>()
  private var sizes = (content: 0, image: 0)

  /// Fills the tables for `content` positions, resized to `image`.
  mutating func prepare(content: Int, image: Int) {
    if sizes == (content, image) { return }
    sizes = (content, image)
    // Vectors may be read past the end.
    stride = content + MaskSampler.lanes
    let first = firstBuffer.reserve(stride + 1)
    let positions = floats.reserve(image + MaskSampler.lanes + 4 * stride)
    let nodes = positions + image + MaskSampler.lanes
    (positions + image).update(repeating: 0, count: MaskSampler.lanes + 4 * stride)
    first.update(repeating: Int32(image), count: stride + 1)
    let axis = BilinearAxis(from: content, to: image)
    var start = 0
    for patch in 0..<content {
      first[patch] = Int32(start)
      var end = start
      while end < image {
        let tap = axis.taps(at: end)
        if tap.low != patch { break }
        positions[end] = tap.weight
        end += 1
      }
      let rule = GaussRule(UnsafeBufferPointer(start: positions + start, count: end - start))
      nodes[patch] = rule.nodes.0
      nodes[stride + patch] = rule.nodes.1
      nodes[2 * stride + patch] = rule.weights.0
      nodes[3 * stride + patch] = rule.weights.1
      start = end
    }
    self.first = UnsafePointer(first)
    self.positions = UnsafePointer(positions)
    self.nodes = UnsafePointer(nodes)
  }

  /// The tables as columns.
  var patches: m2fp_post_patches {
    guard let first, let positions, let nodes else { preconditionFailure("prepare first") }
    return m2fp_post_patches(
      first: first, position: positions, node_0: nodes, node_1: nodes + stride,
      weight_0: nodes + 2 * stride, weight_1: nodes + 3 * stride)
  }

  /// One row of patches.
  func band(_ patch: Int) -> m2fp_post_band {
    guard let first, let positions, let nodes else { preconditionFailure("prepare first") }
    let start = first[patch]
    return m2fp_post_band(
      first: start, rows: first[patch + 1] - start, position: positions + Int(start),
      node_0: nodes[patch], node_1: nodes[stride + patch], weight_0: nodes[2 * stride + patch],
      weight_1: nodes[3 * stride + patch])
  }
}

/// Two places and weights by which the sum of a cubic over some points is found: Gauss's rule for the
/// points, whose nodes are the roots of x² + px + q, orthogonal on them to 1 and x.
struct GaussRule {
  var nodes: (Float, Float) = (0, 0)
  var weights: (Float, Float) = (0, 0)

  init(_ points: UnsafeBufferPointer<Float>) {
    guard points.count > 1 else {
      nodes.0 = points.first ?? 0
      weights.0 = Float(points.count)
      return
    }
    // Moments about the mean, which keep their digits.
    let count = Double(points.count)
    let mean = points.reduce(0) { $0 + Double($1) } / count
    let (m2, m3) = points.reduce((0.0, 0.0)) { sums, point in
      let x = Double(point) - mean
      return (sums.0 + x * x, sums.1 + x * x * x)
    }
    let p = -m3 / m2
    let q = -m2 / count
    let root = (p * p / 4 - q).squareRoot()
    let (low, high) = (-p / 2 - root, -p / 2 + root)
    nodes = (Float(mean + low), Float(mean + high))
    weights = (Float(count * high / (high - low)), Float(-count * low / (high - low)))
  }
}
