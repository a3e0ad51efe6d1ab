import Foundation
import M2FPCore
import Synchronization
import Testing

@testable import M2FPBatch

struct WorkerThreadTests {
  /// What the kernel says of the thread that it is called on.
  private static var allowed: String {
    let status = (try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)) ?? ""
    return status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
      .map { $0.dropFirst("Cpus_allowed_list:".count).trimmingCharacters(in: .whitespaces) } ?? ""
  }

  @Test func issue22APinnedThreadAndThoseItStartsKeepToTheirCPUs() throws {
    let cpu = try #require(CPUTopology.current().nodes.first?.last)
    let own = Mutex(""), started = Mutex("")
    let thread = try WorkerThread(cpus: [cpu]) {
      own.withLock { $0 = Self.allowed }
      guard let further = try? WorkerThread({ started.withLock { $0 = Self.allowed } }) else {
        return
      }
      further.join()
    }
    thread.join()
    #expect(own.withLock(\.self) == "\(cpu)")
    #expect(started.withLock(\.self) == "\(cpu)")
  }

  @Test func issue22ACPUThatIsNotThereIsNamed() {
    let failure = #expect(throws: RunFailure.self) { try WorkerThread(cpus: [9000]) {} }
    #expect(failure?.kind == .temporary)
    #expect(failure?.message.contains("CPU 9000") == true)
  }
}
