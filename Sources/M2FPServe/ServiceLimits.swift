import M2FPBatch

/// What a service takes on at once, and how long it holds it.
package struct ServiceLimits: Sendable, Equatable {
  /// Workers, each with a session of the network.
  package var jobs = 1
  /// Intra-op threads of each.
  package var threads = 1
  /// Of each worker, the CPUs that its threads keep to; nil where the system is left to choose.
  package var cpus: [[Int]]?
  /// Photos that may wait.
  package var queue = 16
  /// Bytes of all photos in memory: being received, waiting and in hand.
  package var queueBytes = 256 << 20
  /// Photos of one client that wait or are in hand; 0 for no limit.
  package var perClient = 4
  /// Bytes of one photo.
  package var photoBytes = 32 << 20
  /// Seconds from a photo's last byte to its answer.
  package var deadline = 30.0
  /// Seconds after which a worker is given up.
  package var timeout = 60.0
  /// Seconds that a finished job is kept.
  package var resultTTL = 600.0
  /// Bytes of the results of finished jobs, and of any one result.
  package var resultBytes = 256 << 20

  package init() {}
}
