/// One part or one whole human that the network found.
public struct Instance: Sendable, Equatable {
  /// The query that proposed it.
  public let query: Int
  /// Its class; the index of Human for a whole human.
  public let classIndex: Int
  /// The softmax probability of its class.
  public let classScore: Float
  /// Class score times the mean mask probability over the mask.
  public let score: Float
  /// How many pixels of the image have a mask logit above zero.
  public let pixelCount: Int
  /// The smallest box that holds those pixels; nil if there are none.
  public let box: Box?

  /// A rectangle of whole pixels.
  public struct Box: Sendable, Equatable {
    public let x: Int
    public let y: Int
    public let width: Int
    public let height: Int

    public init(x: Int, y: Int, width: Int, height: Int) {
      self.x = x
      self.y = y
      self.width = width
      self.height = height
    }
  }

  public init(
    query: Int, classIndex: Int, classScore: Float, score: Float, pixelCount: Int, box: Box?
  ) {
    self.query = query
    self.classIndex = classIndex
    self.classScore = classScore
    self.score = score
    self.pixelCount = pixelCount
    self.box = box
  }
}

/// What the network's output says about one image, at the image's own size.
public struct ParsingResult: Sendable, Equatable {
  /// The class of each pixel.
  public let labels: LabelMap
  /// Part instances by descending score, the background left out; empty for a single-human model.
  public let parts: [Instance]
  /// Whole humans by descending score; empty for a single-human model.
  public let humans: [Instance]
  /// The persons with their parts; nil unless they were asked for.
  public let persons: Persons?
  /// For each parsing class, how many pixels of `labels` have it.
  public let classPixelCounts: [Int]
  /// For each parsing class, how sure the network is; nil for a class that is not in `labels`.
  ///
  /// Multi-human: the best score among the instances that were merged into `labels` (nil also for
  /// a background that no instance claims). Single-human: the mean, over the pixels of the class,
  /// of the logistic function of the class's summed mask probability, as ModelScope reports it. Dense:
  /// the mean, over the pixels of the class, of its softmax at the nearest place of the logits.
  public let classScores: [Float?]
  /// The most persons that can be told apart, where so many were found and there may be more; nil
  /// elsewhere.
  public let personLimit: Int?

  public init(
    labels: LabelMap, parts: [Instance], humans: [Instance], persons: Persons?,
    classPixelCounts: [Int], classScores: [Float?], personLimit: Int? = nil
  ) {
    self.labels = labels
    self.parts = parts
    self.humans = humans
    self.persons = persons
    self.classPixelCounts = classPixelCounts
    self.classScores = classScores
    self.personLimit = personLimit
  }

  /// What people should know of the result.
  package var warnings: [String] {
    personLimit.map {
      ["as many persons as the model can tell apart (\($0)): there may be more"]
    } ?? []
  }
}
