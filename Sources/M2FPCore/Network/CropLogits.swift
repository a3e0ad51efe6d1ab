/// What dense networks returned for a photo and for crops of it, kept until ``Postprocessor`` merges it:
/// a few MB for each, whatever their sizes. The memory is kept between photos.
public final class CropLogits {
  /// What was returned for one of them.
  struct Piece {
    /// The pixels of the photo that the network saw.
    let box: Instance.Box
    /// Where they lay in its input.
    let geometry: NetworkGeometry
    let width: Int
    let height: Int
    /// How logits lie over the input.
    let alignsCorners: Bool
    /// Of the logits, among ``CropLogits/values``.
    fileprivate let start: Int
  }

  /// The first is the photo.
  private(set) var pieces: [Piece] = []
  private var values: [Float] = []

  public init() {}

  /// Begins with another photo.
  public func removeAll() {
    pieces.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
  }

  /// Keeps what a network returned for the photo, or after that for a crop of it.
  ///
  /// - Parameters:
  ///   - output: Only read during the call.
  ///   - contract: The dense network's; classes are the same for all of a photo.
  ///   - geometry: Where what it saw lay in the network's input.
  ///   - box: Which pixels of the photo it saw; all of them at first.
  /// - Throws: ``FileFailure`` of stage `infer` where the output is not what the contract promises, or
  ///   is no numbers.
  public func add(
    _ output: NetworkOutput, of contract: ModelContract, geometry: NetworkGeometry,
    box: Instance.Box
  ) throws(FileFailure) {
    guard case .dense(let rules) = contract.postprocess else {
      preconditionFailure("crops are for dense networks")
    }
    precondition(box.width == geometry.imageWidth && box.height == geometry.imageHeight)
    let output = try DenseOutput(output, contract: contract, rules: rules, geometry: geometry)
    _ = try output.magnitude()
    pieces.append(
      Piece(
        box: box, geometry: geometry, width: output.width, height: output.height,
        alignsCorners: rules.alignsCorners, start: values.count))
    values.append(contentsOf: output.logits)
  }

  /// Lends out the logits of one: `classes × height × width` values.
  func withLogits(of piece: Piece, _ body: (UnsafePointer<Float>) -> Void) {
    values.withUnsafeBufferPointer { values in
      guard let start = values.baseAddress else { preconditionFailure("there are logits") }
      body(start + piece.start)
    }
  }
}

extension Instance.Box {
  /// The box with a margin on each side, as far as there is photo.
  ///
  /// - Parameters:
  ///   - share: The margin as a share of the box's width and height.
  ///   - width: The photo's.
  ///   - height: The photo's.
  /// - Returns: That, in whole pixels.
  package func widened(by share: Double, within width: Int, _ height: Int) -> Instance.Box {
    func range(_ start: Int, _ count: Int, _ limit: Int) -> Range<Int> {
      let margin = Int((share * Double(count)).rounded())
      return max(start - margin, 0)..<min(start + count + margin, limit)
    }
    let (columns, rows) = (range(x, self.width, width), range(y, self.height, height))
    return Instance.Box(
      x: columns.lowerBound, y: rows.lowerBound, width: columns.count, height: rows.count)
  }
}
