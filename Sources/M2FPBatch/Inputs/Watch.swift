import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Puts into a ``FileStream`` what comes into folders, each file once at a time.
///
/// A file that comes again while it is parsed is put in again afterwards: whether it has changed the
/// check of what is up to date tells.
public final class Watch: Sendable {
  private enum State {
    case waiting
    /// It came again meanwhile.
    case again(Input)
  }

  /// The files that are in the stream, or in hand.
  private let inHand = Locked<[FilePath: State]>([:])
  /// Those that came again, and are in hand no more.
  private let returned = Locked<[Input]>([])
  private let selection: Selection
  private let out: FilePath?
  private let naming: Naming

  /// - Parameters:
  ///   - selection: Its paths are folders.
  ///   - out: The folder that holds the tree of the inputs; nil for outputs beside them.
  ///   - naming: How outputs are named.
  public init(_ selection: Selection, out: FilePath?, naming: Naming) {
    self.selection = selection
    self.out = out
    self.naming = naming
  }

  /// Fills a stream until the run is cancelled.
  ///
  /// - Parameters:
  ///   - stream: The run's.
  ///   - cancellation: Ends it.
  ///   - onLeftOut: Called with what comes and is no photo.
  public func fill(
    _ stream: FileStream, cancellation: Cancellation,
    onLeftOut: @escaping @Sendable (LeftOut) -> Void
  ) {
    var plan = OutputPlan(root: out, naming: naming, links: selection.links)
    func take(_ input: Input) {
      let isFree = inHand.withLock { inHand in
        guard inHand[input.path] != nil else {
          inHand[input.path] = .waiting
          return true
        }
        inHand[input.path] = .again(input)
        return false
      }
      if isFree, let file = plan.place(input, isAgain: true) { stream.push(file) }
    }
    do throws(RunFailure) {
      let folders = try FolderWatch(selection, onInput: take, onLeftOut: onLeftOut)
      try folders.scan()
      while !cancellation.isCancelled {
        try folders.wait(milliseconds: 200)
        for input in returned.withLock({ inputs in
          defer { inputs = [] }
          return inputs
        }) {
          take(input)
        }
      }
    } catch {
      cancellation.cancel(.failure(error))
    }
    stream.finish()
  }

  /// Says that a file is done.
  public func done(_ outcome: Outcome) {
    let state = inHand.withLock { $0.removeValue(forKey: outcome.input.path) }
    if case .again(let input) = state { returned.withLock { $0.append(input) } }
  }
}
