import CTorchInterface
import M2FPCore

/// What inference runs on, for diagnosis.
public struct TorchRuntimeInfo: Sendable {
  public enum BLAS: Sendable, Equatable {
    /// OpenBLAS on OpenMP: what m2fp is measured with.
    case openBLASOpenMP
    /// OpenBLAS on its own threads: as fast on one intra-op thread.
    case openBLASThreads
    /// The reference implementation: about ten times slower.
    case reference
    case other
  }

  public let torchVersion: String
  public let oneDNNVersion: String
  /// The widest vector instructions in use, as torch names them.
  public let cpuCapability: String
  /// The instruction set of m2fp's own kernels, in which most of a network's time is spent.
  public let instructionSet: String
  /// The library file that serves BLAS.
  public let blasPath: String
  public let blasConfiguration: String

  /// Asks torch and the dynamic linker.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/libraryMissing`` when torch cannot be loaded.
  public init() throws(RunFailure) {
    var info = m2fp_runtime_info()
    try TorchLibrary.api().describe_runtime(&info)
    func text(_ bytes: some Any) -> String {
      withUnsafeBytes(of: bytes) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    torchVersion = text(info.torch_version)
    oneDNNVersion = text(info.onednn_version)
    cpuCapability = text(info.cpu_capability)
    instructionSet = text(info.instruction_set)
    blasPath = text(info.blas_path)
    blasConfiguration = text(info.blas_config)
  }

  /// Which BLAS it is: OpenBLAS says so itself, the reference one lies under its standard name.
  public var blas: BLAS {
    if !blasConfiguration.isEmpty {
      return blasConfiguration.contains("USE_OPENMP") ? .openBLASOpenMP : .openBLASThreads
    }
    return blasPath.contains("/blas/") || blasPath.hasSuffix("/libblas.so.3") ? .reference : .other
  }
}
