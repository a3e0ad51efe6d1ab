import M2FPCore

/// InstanceMap of one image that share no pixel: parts of persons, or persons.
public struct InstanceMap: Sendable, Equatable {
  /// One instance.
  public struct Instance: Sendable, Equatable {
    /// The value of its pixels in ``InstanceMap/ids``.
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

  /// The instance of each pixel; values that no instance has are of none.
  public let ids: IndexMap
  public let instances: [Instance]

  public init(ids: IndexMap, instances: [Instance]) {
    self.ids = ids
    self.instances = instances
  }
}

/// What is true of one image.
public struct GroundTruth: Sendable {
  /// Class indices; ``Confusion/ignored`` where nobody knows.
  public let labels: IndexMap
  /// Each part of each person, if known.
  public let parts: InstanceMap?
  /// Each person, if known.
  public let persons: InstanceMap?

  public init(labels: IndexMap, parts: InstanceMap? = nil, persons: InstanceMap? = nil) {
    self.labels = labels
    self.parts = parts
    self.persons = persons
  }
}

/// What was found in one image.
public struct Prediction: Sendable {
  /// Class indices.
  public let labels: IndexMap
  /// Each part of each person, scored.
  public let parts: InstanceMap?
  /// Each person, scored as a whole.
  public let persons: InstanceMap?
  /// The same persons, scored by how well they are parsed; ``persons`` where nil.
  public let parsings: InstanceMap?

  public init(
    labels: IndexMap, parts: InstanceMap? = nil, persons: InstanceMap? = nil,
    parsings: InstanceMap? = nil
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
