import M2FPCore

/// Which pictures are made of a result, and how they look.
public struct OutputSelection: Sendable, Equatable {
  /// One colour a class of the result.
  public var palette: [RGB] = []
  /// Indices of the classes that get a mask where they are present.
  public var masks: Set<Int> = []
  /// Whether there is a map of persons, and overlays tell them apart, where the result has persons.
  public var personMap = true
  /// Indices of the classes that get a mask for each person.
  public var personMasks: Set<Int> = []
  /// What is done to masks.
  public var maskOperations = MaskOperations()
  /// How the photo under translucent colours looks; nil for none.
  public var overlay: OverlayStyle?
  /// What is cut out of the photo; nil for nothing.
  public var cutout: Cutout?
  /// What is made unrecognisable; nil for nothing.
  public var obscured: Obscured?

  public init() {}

  /// What is cut out of a photo.
  public struct Cutout: Sendable, Equatable {
    /// Indices of the classes; nil for whole persons.
    public var classes: Set<Int>?
    /// Whether each person is cut out by itself.
    public var perPerson: Bool
    public var style: CutoutStyle

    public init(classes: Set<Int>?, perPerson: Bool, style: CutoutStyle = CutoutStyle()) {
      self.classes = classes
      self.perPerson = perPerson
      self.style = style
    }
  }

  /// A photo with parts of it made unrecognisable.
  public struct Obscured: Sendable, Equatable {
    public var obscuring: Obscuring
    public var format: PictureFormat

    public init(_ obscuring: Obscuring, format: PictureFormat = .jpeg) {
      self.obscuring = obscuring
      self.format = format
    }
  }

  /// Whether an output shows who is who.
  package var tellsPersonsApart: Bool {
    personMap || !personMasks.isEmpty || cutout?.perPerson == true
  }

  /// Whether a picture needs the photo's own pixels.
  public var needsPhoto: Bool { overlay != nil || cutout != nil || obscured != nil }
}
