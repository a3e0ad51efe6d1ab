import Foundation
import M2FPCore
import M2FPInference

/// Runs a network on request, so that a script can take turns between this and others.
struct NetworkBench {
  let session: TorchSession
  let width: Int
  let height: Int

  init(archive: String, width: Int, height: Int, threads: Int) throws {
    session = try TorchSession(model: Model(ModelArchive(path: archive)), threads: threads)
    self.width = width
    self.height = height
  }

  /// For each line on standard input: runs once and prints the seconds it took and the peak memory
  /// of the process in bytes.
  func serve() throws {
    while readLine() != nil {
      let start = DispatchTime.now().uptimeNanoseconds
      let checksum = try session.run(
        width: width, height: height, fill: fill,
        body: { output in output.classLogits.reduce(0, +) + output.maskLogits[0] })
      let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
      precondition(checksum.isFinite)
      print(seconds, Self.peakMemory())
      fflush(nil)
    }
  }

  /// Values of a normalised image, seeded.
  private func fill(_ input: UnsafeMutableBufferPointer<Float>) {
    for index in input.indices { input[index] = Float(index * 7919 % 1009) / 504 - 1 }
  }

  /// `VmHWM` in bytes.
  private static func peakMemory() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }
}
