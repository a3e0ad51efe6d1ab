import Glibc
import M2FPFiles
import M2FPResults

/// How much memory a run needs, in bytes.
///
/// The figures in it are measured (and again by MemoryTests); what depends on sizes is
/// counted from what the threads of ``Batch`` hold.
public struct MemoryEstimate: Sendable, Equatable {
  /// The program with libtorch loaded, and the model.
  public let model: Int
  /// What the network holds for an image of its largest input.
  public let network: Int
  private let photo: LargestPhoto
  private let keepsPhotos: Bool

  /// The program and its libraries, libtorch with oneDNN and OpenBLAS among them.
  private static let program = 215 << 20
  /// Loading holds the archive's weights a little more than twice.
  private static let modelFactor = 2.15

  /// Bytes a pixel of the network's input: of refined masks the chances of some thirty parts, of a
  /// second pass the masks of both.
  private static let refiningBytes = 140
  private static let mirroringBytes = 100

  /// - Parameters:
  ///   - archiveSize: The model archive's bytes.
  ///   - networkPixels: The network's largest input.
  ///   - refines: Whether masks are refined.
  ///   - mirrors: Whether the mirror image is parsed as well.
  ///   - photo: The largest photo.
  ///   - keepsPhotos: Whether the photos are kept for pictures made of them.
  public init(
    archiveSize: Int, networkPixels: Int, refines: Bool = false, mirrors: Bool = false,
    photo: LargestPhoto, keepsPhotos: Bool
  ) {
    model = Self.program + Int(Double(archiveSize) * Self.modelFactor)
    let merging =
      (refines ? Self.refiningBytes * (mirrors ? 2 : 1) : 0) + (mirrors ? Self.mirroringBytes : 0)
    network =
      Int(Double(networkPixels) * Self.networkBytes(archiveSize: archiveSize))
      + networkPixels * merging
    self.photo = photo
    self.keepsPhotos = keepsPhotos
  }

  /// Bytes of activations a pixel of the network's input. Networks with more weights have wider
  /// layers: a power law through the models that were measured.
  private static func networkBytes(archiveSize: Int) -> Double {
    6.3 * pow(Double(archiveSize), 0.26)
  }

  /// What the photos take in the hands of `jobs` workers and of those that read and write for them.
  public func photos(jobs: Int) -> Int {
    let helpers = (jobs + 1) / 2
    // A map of classes, and one of persons.
    let (reading, labels) = (photo.fileSize + 3 * photo.pixels, 2 * photo.pixels)
    var bytes = helpers * (reading + photo.decoding) + (jobs + 3 * helpers) * labels
    // Waiting photos, those in workers' and writers' hands, and the pictures made of them.
    if keepsPhotos { bytes += (2 * jobs + 1 + 3 * helpers) * 3 * photo.pixels }
    return bytes
  }

  /// What a run of `jobs` workers needs.
  public func total(jobs: Int) -> Int { model + jobs * network + photos(jobs: jobs) }
}
