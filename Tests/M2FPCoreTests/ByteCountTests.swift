import M2FPCore
import Testing

struct ByteCountTests {
  @Test(arguments: [
    (0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB"),
    (100 << 10, "100 KiB"), (1 << 20, "1 MiB"), (1 << 20 | 1, "1.01 MiB"), (5 << 19, "2.5 MiB"),
    // Rounded up: what is over a limit is never said to be just that.
    (256 << 20, "256 MiB"), (256 << 20 | 1, "257 MiB"), (10 << 20 - 1, "10 MiB"),
    (4 << 30, "4096 MiB"), (10 << 30, "10 GiB"), (3 << 40, "3072 GiB"), (10 << 40, "10 TiB"),
  ])
  func isSaidInPowersOf1024(_ bytes: Int, _ text: String) {
    #expect("\(ByteCount(bytes))" == text)
  }
}
