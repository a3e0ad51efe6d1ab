import Dispatch
import FoundationEssentials
import Glibc
import M2FPCore

/// Tells systemd how a service is, where systemd has started it (sd_notify(3)).
final class SystemdNotifier: Sendable {
  private let path: [UInt8]?
  /// Nanoseconds between two signs of life; nil where none are wanted.
  private let interval: UInt64?
  private let last = Locked<UInt64>(0)

  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    path = environment["NOTIFY_SOCKET"].map { Array($0.utf8) }
    interval = environment["WATCHDOG_USEC"].flatMap { UInt64($0) }.map { $0 * 1000 / 3 }
  }

  /// Gives a sign of life if one is due.
  func beat() {
    guard let interval else { return }
    let now = DispatchTime.now().uptimeNanoseconds
    let isDue = last.withLock { last in
      guard now - last >= interval else { return false }
      last = now
      return true
    }
    if isDue { send("WATCHDOG=1") }
  }

  func send(_ message: String) {
    guard let path, (1...107).contains(path.count) else { return }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { bytes in
      bytes.copyBytes(from: path)
      // An abstract socket.
      if path[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    }
    let length = MemoryLayout<sa_family_t>.size + path.count
    let bytes = Array(message.utf8)
    withUnsafeBytes(of: &name) { address in
      guard let start = address.baseAddress else { return }
      _ = sendto(
        descriptor, bytes, bytes.count, 0, start.assumingMemoryBound(to: sockaddr.self),
        socklen_t(length))
    }
  }
}
