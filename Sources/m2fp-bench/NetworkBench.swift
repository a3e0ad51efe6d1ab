import Dispatch
import FoundationEssentials
import Glibc
import M2FPCore
import M2FPInference
import SystemPackage

/// Runs a network on request, so that a script can take turns between this and others.
struct NetworkBench {
  let session: TorchSession
  let width: Int
  let height: Int

  init(
    archive: String, precision: Precision, width: Int, height: Int, threads: Int
  ) throws {
    session = try TorchSession(
      model: Model(ModelArchive(path: FilePath(archive)), precision: precision), threads: threads)
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
        body: { output in output.tensors.reduce(0) { $0 + ($1.values.first ?? 0) } })
      let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
      precondition(checksum.isFinite)
      print(seconds, Self.peakMemory())
      fflush(nil)
    }
  }

  /// Prints where a run's time goes, what takes most first.
  ///
  /// On one thread, in its processor time; of three runs the median of each operator counts.
  func profile() throws {
    try session.run(width: width, height: height, fill: fill, body: { _ in })
    let runs = try (0..<3).map { _ in try session.profile() }
    var rows: [String: (calls: Int, operations: Double, seconds: Double)] = [:]
    for (index, call) in runs[0].enumerated() {
      let seconds = runs.map { $0[index].seconds }.sorted()[1]
      let row = rows[call.what, default: (0, 0, 0)]
      rows[call.what] = (row.calls + 1, row.operations + call.operations, row.seconds + seconds)
    }
    print("| operator | calls | ms | GFLOP/s |")
    print("|---|---:|---:|---:|")
    for (what, row) in rows.sorted(by: { $0.value.seconds > $1.value.seconds }) {
      let rate = row.operations / row.seconds / 1e9
      let cells = [
        what, String(row.calls), String(printf: "%.1f", row.seconds * 1e3),
        rate > 0 ? String(printf: "%.0f", rate) : "",
      ]
      print("| " + cells.joined(separator: " | ") + " |")
    }
    let whole = rows.values.reduce((0.0, 0.0)) { ($0.0 + $1.operations, $0.1 + $1.seconds) }
    print(
      String(
        printf: "| all | %d | %.1f | %.0f |", runs[0].count, whole.1 * 1e3,
        whole.0 / whole.1 / 1e9))
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
