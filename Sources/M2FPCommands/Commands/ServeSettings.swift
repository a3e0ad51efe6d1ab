import Logging
import M2FP
import M2FPBatch
import M2FPCore
import M2FPImageIO
import M2FPResults
import SystemPackage

/// What `m2fp serve` was asked for, as the program that serves needs it.
package struct ServeSettings {
  package enum Address: Sendable, Equatable {
    case host(String, port: Int)
    case unix(FilePath)
  }

  /// Who may say for whom a request is.
  package enum Proxy: Sendable, Equatable {
    case socket
    case network(IPNetwork)
  }

  package let listeners: [Address]
  package let metricsListener: Address?
  package let tokenFile: FilePath?
  /// Names that the server goes by; nil for any.
  package let hosts: Set<String>?
  package let origins: Set<String>
  package let proxies: [Proxy]
  package let hasPage: Bool
  package let hasMetrics: Bool
  /// What names are written in on overlays.
  package let font: Font?
  /// Reads files of defaults anew.
  package let reread: () throws -> ServeSettings
  /// Opens the model, also anew where it has been replaced. On the main thread.
  package let open: () throws -> (Parser, ModelIdentity)
  /// Opens the cache, once: a server keeps to it.
  package let openCache: () throws -> ResultCache?
  package let threads: ThreadPlan
  package let queue: Int
  package let queueBytes: Int
  package let perClient: Int
  package let photoBytes: Int
  package let connections: Int
  package let resultBytes: Int
  // Seconds.
  package let deadline: Double
  package let timeout: Double
  package let resultTTL: Double
  package let headTimeout: Double
  package let bodyTimeout: Double
  package let writeTimeout: Double
  package let keepAlive: Double
  package let drainDelay: Double
  package let drainTimeout: Double
  package let logger: Logger
  package let version: String
}
