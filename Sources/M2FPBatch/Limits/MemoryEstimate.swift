import Glibc
import M2FPFiles
import M2FPResults

/// How much memory a run needs, in bytes.
///
/// The figures in it are measured (and again by MemoryTests); what depends on sizes is
/// counted from what the threads of ``Batch`` hold.
public struct MemoryEstimate: Sendable, Equatable {
  /// A network that a run loads, and what it does with it.
  public struct Network: Sendable, Equatable {
    /// The archive's bytes.
    public var archiveSize: Int
    /// Its largest input in pixels.
    public var pixels: Int
    /// What torch held for such an input, where its contract tells.
    public var activationBytes: Int?
    /// Whether masks are refined.
    public var refines = false
    /// Whether the mirror image is parsed as well.
    public var mirrors = false

    public init(
      archiveSize: Int, pixels: Int, activationBytes: Int? = nil, refines: Bool = false,
      mirrors: Bool = false
    ) {
      self.archiveSize = archiveSize
      self.pixels = pixels
      self.activationBytes = activationBytes
      self.refines = refines
      self.mirrors = mirrors
    }

    /// Bytes a pixel of the input: of refined masks the chances of some thirty parts, of a second pass
    /// the masks of both.
    private static let refiningBytes = 140
    private static let mirroringBytes = 100
    /// What a session keeps in its pool for what torch would hold.
    private static let activationFactor = 1.6

    /// What it holds while it runs.
    fileprivate var bytes: Int {
      let merging =
        (refines ? Self.refiningBytes * (mirrors ? 2 : 1) : 0)
        + (mirrors ? Self.mirroringBytes : 0)
      let activations =
        activationBytes.map { Double($0) * Self.activationFactor } ?? Double(pixels) * usualBytes
      return Int(activations) + pixels * merging
    }

    /// Bytes of activations a pixel of the input. Networks with more weights have wider layers: a power
    /// law through the models that were measured.
    private var usualBytes: Double { 6.3 * pow(Double(archiveSize), 0.26) }
  }

  /// The program with libtorch loaded, and the models.
  public let model: Int
  /// What the networks hold for an image of their largest inputs, and what is kept of what they return.
  public let network: Int
  private let photo: LargestPhoto
  private let keepsPhotos: Bool

  /// The program and its libraries, libtorch with oneDNN and OpenBLAS among them.
  private static let program = 215 << 20
  /// What loading holds of an archive's weights beside themselves.
  private static let loadingFactor = 1.15

  /// - Parameters:
  ///   - networks: Those that the run loads.
  ///   - keptBytes: What is kept of what they return for one photo, until it is merged.
  ///   - photo: The largest photo.
  ///   - keepsPhotos: Whether the photos are kept for pictures made of them, or for crops.
  public init(
    networks: [Network], keptBytes: Int = 0, photo: LargestPhoto, keepsPhotos: Bool
  ) {
    let largest = networks.map(\.archiveSize).max() ?? 0
    model =
      Self.program + networks.reduce(0) { $0 + $1.archiveSize }
      + Int(Double(largest) * Self.loadingFactor)
    // They run one after the other, and what one leaves the next one takes.
    network = keptBytes + (networks.map(\.bytes).max() ?? 0)
    self.photo = photo
    self.keepsPhotos = keepsPhotos
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
