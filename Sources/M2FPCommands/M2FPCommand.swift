import ArgumentParser

/// The root command; it only dispatches.
public struct M2FPCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "m2fp",
    abstract: "Find every person in photos and label each pixel by body part and garment.",
    discussion: """
      Exit codes: 0 every file parsed or already current · 1 internal error, or doctor found \
      something wrong · 3 finished, some files failed (each is named) · 64 usage · 65 model \
      damaged or its contract unusable · 66 no input · 69 model missing · 72 libtorch cannot be \
      loaded · 73 output not writable, or the disk full · 75 another run holds the lock, or the \
      time is up (run again) · 130/143 interrupted or terminated (what is written is whole; run again to go on).
      """,
    version: "m2fp \(Version.current)",
    subcommands: [
      ParseCommand.self, ModelsCommand.self, ClassesCommand.self, CacheCommand.self,
      DoctorCommand.self,
    ])

  public init() {}
}

enum Version {
  static let current = "0.1.0"
}
