import M2FPCore

/// A picture that can be made of a result.
public enum OutputKind: Sendable, Hashable {
  /// The indexed PNG whose pixel value is the class.
  case labelMap
  /// The 1-bit PNG of one class, by its slug (``ClassNames/slug(_:)``).
  case mask(String)
  /// The indexed PNG whose pixel value is the person.
  case personMap
  /// The 1-bit PNG of one class within one person, counted from 1.
  case personMask(String, person: Int)
  /// The photo under translucent colours.
  case overlay(PictureFormat)
  /// The photo where it shows some classes, transparent or another picture elsewhere: a PNG.
  case cutout
  /// The photo where it shows one person, counted from 1.
  case personCutout(Int)
  /// The photo with parts of it made unrecognisable.
  case obscured(PictureFormat)
}

extension OutputKind {
  /// Whether it shows the photo's own pixels.
  public var showsPhoto: Bool {
    switch self {
    case .overlay, .cutout, .personCutout, .obscured: true
    case .labelMap, .mask, .personMap, .personMask: false
    }
  }
}

/// A picture of a result, as a file in memory.
public struct EncodedOutput: Sendable {
  public let kind: OutputKind
  public let file: EncodedImage
}
