import M2FPCore
import M2FPInference

/// Loads a model when it is first asked for, once for all workers.
final class ModelLoader: Sendable {
  private let archive: ModelArchive
  private let precision: Precision
  private let loaded = Locked<Model?>(nil)

  init(_ archive: ModelArchive, precision: Precision) {
    self.archive = archive
    self.precision = precision
  }

  func model() throws(RunFailure) -> Model {
    try loaded.withLock { (loaded) throws(RunFailure) in
      if let loaded { return loaded }
      let model = try Model(archive, precision: precision)
      loaded = model
      return model
    }
  }
}
