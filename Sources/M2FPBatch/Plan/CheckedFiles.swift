import M2FPResults

/// The files of a run, with what their outputs are worth.
public struct CheckedFiles: Sendable {
  /// All files, in their order.
  let all: [FileJob]
  /// Those whose outputs are not current, those that cannot even be tried among them.
  let due: [FileJob]
  /// Whether the network may be needed, as far as is known before files are read.
  public let mayNeedNetwork: Bool
  /// Whether the network is needed for certain.
  public let isNetworkNeeded: Bool

  init(_ all: [FileJob]) {
    self.all = all
    due = all.filter { $0.status != .current }
    let forNetwork = due.filter { $0.status.mayNeedNetwork && $0.file.input.failure == nil }
    mayNeedNetwork = !forNetwork.isEmpty
    isNetworkNeeded = forNetwork.contains(where: \.status.isStale)
  }

  public var count: Int { all.count }

  /// How many there is something to do for.
  public var dueCount: Int { due.count }

  /// Those that there is something to do for.
  public var dueFiles: [PlannedFile] { due.map(\.file) }
}
