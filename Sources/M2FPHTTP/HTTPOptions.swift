import M2FPImageIO
import SystemPackage

/// Where a server listens, and how it treats connections.
package struct HTTPOptions: Sendable {
  package enum Address: Sendable, Equatable {
    case host(String, port: Int)
    case unix(FilePath)
  }

  package struct Listener: Sendable, Equatable {
    package let address: Address
    /// Whether nothing but metrics and health is to be had there.
    package let isForMetrics: Bool

    package init(_ address: Address, isForMetrics: Bool = false) {
      self.address = address
      self.isForMetrics = isForMetrics
    }
  }

  /// Seconds.
  package struct Timeouts: Sendable {
    /// Until a connection's first request has come with its head.
    package var head = 5.0
    /// Until a request's body has come.
    package var body = 30.0
    /// Without an answer being taken.
    package var write = 30.0
    /// Until the next request.
    package var keepAlive = 60.0

    package init() {}
  }

  package var listeners: [Listener] = []
  package var timeouts = Timeouts()
  /// Connections at once, of each listener.
  package var connections = 512
  package var hasPage = true
  package var hasMetrics = true
  /// What names are written in on overlays; nil where there is no font.
  package var font: Font?
  /// Of the program.
  package var version = ""

  package init() {}
}
