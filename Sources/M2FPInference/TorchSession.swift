import CTorchInterface
import Glibc
import M2FPCore

/// A network's run on the calling thread.
///
/// A class rather than a non-copyable struct, because the batch layer holds it as an existential;
/// it is not `Sendable`, and it traps on any other thread than the one that made it.
public final class TorchSession: NetworkSession {
  private let model: Model
  private let handle: OpaquePointer
  private let thread = pthread_self()

  /// Makes a session for the calling thread.
  ///
  /// - Parameters:
  ///   - model: The network; it stays alive as long as the session.
  ///   - threads: Intra-op threads of the calling thread (libtorch keeps that count per thread).
  /// - Throws: ``RunFailure`` when torch cannot make one.
  public init(model: Model, threads: Int) throws(RunFailure) {
    var error = m2fp_torch_error()
    guard let handle = model.torch.session_create(model.handle, Int32(clamping: threads), &error)
    else {
      throw RunFailure(.internal, "cannot start a session: \(error.text)")
    }
    self.model = model
    self.handle = handle
  }

  deinit { model.torch.session_destroy(handle) }

  public func run<Result>(
    width: Int, height: Int,
    fill: (UnsafeMutableBufferPointer<Float>) -> Void,
    body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    precondition(pthread_equal(thread, pthread_self()) != 0, "a session left its thread")
    var error = m2fp_torch_error()
    guard let input = model.torch.session_input(handle, Int32(height), Int32(width), &error) else {
      throw Self.failure(error)
    }
    fill(UnsafeMutableBufferPointer(start: input, count: 3 * height * width))
    var output = m2fp_output()
    guard model.torch.session_run(handle, &output, &error) else { throw Self.failure(error) }
    let tensors = UnsafeBufferPointer(start: output.tensors, count: Int(output.count)).map {
      let shape = UnsafeBufferPointer(start: $0.shape, count: Int($0.rank)).map(Int.init)
      return NetworkOutput.Tensor(
        shape: shape,
        values: UnsafeBufferPointer(start: $0.values, count: shape.reduce(1, *)))
    }
    return try body(NetworkOutput(tensors: tensors))
  }

  /// An operator of a run: its name and sizes, its floating-point operations as a direct computation
  /// counts them (0 where nobody counted), and the seconds of this thread's processor time it took.
  public typealias Call = (what: String, operations: Double, seconds: Double)

  /// Runs the network on the last input again and reports where the time goes.
  public func profile() throws(FileFailure) -> [Call] {
    precondition(pthread_equal(thread, pthread_self()) != 0, "a session left its thread")
    var error = m2fp_torch_error()
    var calls: [Call] = []
    let isDone = withUnsafeMutablePointer(to: &calls) { calls in
      model.torch.session_profile(
        handle,
        { calls, what, operations, seconds in
          calls?.assumingMemoryBound(to: [Call].self).pointee
            .append((String(cString: what), operations, seconds))
        }, calls, &error)
    }
    guard isDone else { throw Self.failure(error) }
    return calls
  }

  private static func failure(_ error: m2fp_torch_error) -> FileFailure {
    switch error.status {
    case .outOfMemory:
      FileFailure(
        stage: .infer, code: .outOfMemory,
        message: "not enough memory for the network")
    default:
      FileFailure(stage: .infer, code: .inference, message: "the network failed: \(error.text)")
    }
  }
}
