import Dispatch

/// The time as a service sees it: seconds since some moment, which never go back.
package struct ServiceClock: Sendable {
  package let now: @Sendable () -> Double

  package init(_ now: @escaping @Sendable () -> Double) {
    self.now = now
  }

  package static let system = ServiceClock {
    Double(DispatchTime.now().uptimeNanoseconds) / 1e9
  }
}
