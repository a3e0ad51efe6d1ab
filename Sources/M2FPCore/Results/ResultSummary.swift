/// What was found in one image, without its pixels: what sidecars and programs are told.
public struct ResultSummary: Sendable, Equatable, Codable {
  /// One class that is present in the image.
  public struct ClassShare: Sendable, Equatable, Codable {
    public let index: Int
    public let name: String
    public let pixels: Int
    /// Of all pixels, 0–1.
    public let share: Double
    /// The best score of the class's parts; none for the background and for single-human models.
    public let score: Float?
  }

  /// A part or a human.
  public struct Instance: Sendable, Equatable, Codable {
    public let name: String
    public let index: Int
    public let score: Float
    public let pixels: Int
    /// x, y, width, height in pixels of the upright image; none if no pixel is left.
    public let box: [Int]?
  }

  /// One person: what the map of persons shows as its id.
  public struct Person: Sendable, Equatable, Codable {
    /// From 1, by descending score; the pixel value in the map of persons.
    public let id: Int
    /// The score of the human; of a single-human model the mean score of the parts.
    public let score: Float
    /// Upstream's score of a parsing: the human's score times the mean score of the parts.
    public let parsingScore: Float
    /// Pixels that are seen.
    public let pixels: Int
    /// x, y, width, height in pixels of the upright image, round what is seen.
    public let box: [Int]
    /// One for each class that is seen within the person, the background left out.
    public let parts: [Part]
    /// The person's pixels in the map of persons, as COCO's compressed run lengths (column order);
    /// none in a summary without masks.
    public let rle: String?

    public struct Part: Sendable, Equatable, Codable {
      public let name: String
      public let index: Int
      /// The best score of the class's parts that reach into the person; none if none does.
      public let score: Float?
      public let pixels: Int
      /// x, y, width, height in pixels of the upright image.
      public let box: [Int]
    }

    enum CodingKeys: String, CodingKey {
      case id, score, pixels, box, parts, rle
      case parsingScore = "parsing_score"
    }
  }

  /// By index; those that are not there left out.
  public let classes: [ClassShare]
  public let parts: [Instance]
  /// Every candidate, overlaps and all.
  public let humans: [Instance]
  /// None unless persons were asked for.
  public let persons: [Person]?
  /// The most persons that can be told apart, where so many were found; none elsewhere.
  public let personLimit: Int?

  enum CodingKeys: String, CodingKey {
    case classes, parts, humans, persons
    case personLimit = "person_limit"
  }

  package init(
    classes: [ClassShare], parts: [Instance], humans: [Instance], persons: [Person]?,
    personLimit: Int?
  ) {
    self.classes = classes
    self.parts = parts
    self.humans = humans
    self.persons = persons
    self.personLimit = personLimit
  }

  /// Sums up a result.
  ///
  /// - Parameters:
  ///   - result: What was found.
  ///   - classes: The names of the result's classes.
  ///   - masks: Whether persons have their masks.
  public init(_ result: ParsingResult, classes: [String], masks: Bool = false) {
    let total = Double(result.labels.pixels.count)
    func list(_ box: M2FPCore.Instance.Box) -> [Int] { [box.x, box.y, box.width, box.height] }
    func found(_ instance: M2FPCore.Instance, _ name: String) -> Instance {
      Instance(
        name: name, index: instance.classIndex, score: instance.score,
        pixels: instance.pixelCount, box: instance.box.map(list))
    }
    self.classes = result.classPixelCounts.enumerated().filter { $0.element > 0 }.map {
      ClassShare(
        index: $0.offset, name: classes[$0.offset], pixels: $0.element,
        share: Double($0.element) / total,
        score: $0.offset == 0 ? nil : result.classScores[$0.offset])
    }
    parts = result.parts.map { found($0, classes[$0.classIndex]) }
    humans = result.humans.map { found($0, "Human") }
    personLimit = result.personLimit
    let maps = result.persons.map { persons in
      masks ? RunLength.masks(of: persons.map, count: persons.list.count) : []
    }
    persons = result.persons?.list.enumerated().map { index, person in
      Person(
        id: index + 1, score: person.score, parsingScore: person.parsingScore,
        pixels: person.pixelCount, box: list(person.box),
        parts: person.parts.map {
          Person.Part(
            name: classes[$0.classIndex], index: $0.classIndex, score: $0.score,
            pixels: $0.pixelCount, box: list($0.box))
        }, rle: masks ? maps?[index].compressed(pixels: result.labels.pixels.count) : nil)
    }
  }
}
