import M2FPCore

/// Regions of one image that share no pixel: parts of persons, or persons.
public struct Regions: Sendable, Equatable {
  /// One region.
  public struct Region: Sendable, Equatable {
    /// The value of its pixels in ``Regions/ids``.
    public let id: Int
    /// The class of a part; 0 for a person.
    public let classIndex: Int
    /// How sure the finder is; of no meaning in the truth.
    public let score: Double

    public init(id: Int, classIndex: Int = 0, score: Double = 1) {
      self.id = id
      self.classIndex = classIndex
      self.score = score
    }
  }

  /// The region of each pixel; values that no region has are of none.
  public let ids: IndexMap
  public let regions: [Region]

  public init(ids: IndexMap, regions: [Region]) {
    self.ids = ids
    self.regions = regions
  }
}

/// What is true of one image.
public struct TrueImage: Sendable {
  /// Class indices; ``Confusion/ignored`` where nobody knows.
  public let labels: IndexMap
  /// Each part of each person, if known.
  public let parts: Regions?
  /// Each person, if known.
  public let persons: Regions?

  public init(labels: IndexMap, parts: Regions? = nil, persons: Regions? = nil) {
    self.labels = labels
    self.parts = parts
    self.persons = persons
  }
}

/// What was found in one image.
public struct FoundImage: Sendable {
  /// Class indices.
  public let labels: IndexMap
  /// Each part of each person, scored.
  public let parts: Regions?
  /// Each person, scored as a whole.
  public let persons: Regions?
  /// The same persons, scored by how well they are parsed; ``persons`` where nil.
  public let parsings: Regions?

  public init(
    labels: IndexMap, parts: Regions? = nil, persons: Regions? = nil, parsings: Regions? = nil
  ) {
    self.labels = labels
    self.parts = parts
    self.persons = persons
    self.parsings = parsings ?? persons
  }
}

/// Why two maps cannot be compared.
public struct EvaluationError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }

  /// Checks that `map` is of the size of the truth.
  static func check(
    _ map: IndexMap, against truth: IndexMap, _ what: String
  ) throws(EvaluationError) {
    if map.width != truth.width || map.height != truth.height {
      throw EvaluationError(
        "\(what) is of \(map.width) × \(map.height) pixels, "
          + "the truth of \(truth.width) × \(truth.height)")
    }
  }
}
