import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import Testing

@testable import M2FPCommands

struct ExitStatusTests {
  @Test(
    arguments: [
      // A result gives way to what is missing, ...
      (0, 0, 0), (0, 73, 73), (3, 73, 73), (4, 73, 73), (3, 0, 3),
      // ... but not what ended the command.
      (1, 73, 1), (64, 73, 64), (65, 73, 65), (75, 73, 75), (130, 73, 130), (143, 73, 143),
    ] as [(Int32, Int32, Int32)])
  func whatEndedTheCommandCountsMost(_ first: Int32, _ second: Int32, _ code: Int32) {
    #expect(ExitStatus.code(first, then: second) == code)
  }

  @Test func theReadmeListsTheCodeOfEveryFailure() throws {
    let terms = HelpTopic.exitCodes.blocks.flatMap { block -> [String] in
      if case .list(let rows) = block { rows.map(\.term) } else { [] }
    }
    let codes = RunFailure.Kind.allCases.map(\.exitCode)
    #expect(Set(codes).count == codes.count)
    for code in codes + [ExitStatus.someFailed, ExitStatus.someDiffer] {
      #expect(terms.contains("\(code)"))
    }
  }

  @Test func aRunThatEndedEarlySaysWhy() {
    var summary = BatchSummary()
    #expect(ExitStatus.code(summary, signal: nil) == 0)
    summary.failed = 2
    #expect(ExitStatus.code(summary, signal: nil) == 3)
    summary.stop = .timeLimit
    #expect(ExitStatus.code(summary, signal: nil) == 3, "no file is left")
    summary.remaining = 1
    #expect(ExitStatus.code(summary, signal: nil) == 75)
    #expect(ExitStatus.code(summary, signal: 15) == 143)
    summary.stop = .failure(RunFailure(.outputNotWritable, "full"))
    #expect(ExitStatus.code(summary, signal: 15) == 73)
  }
}
