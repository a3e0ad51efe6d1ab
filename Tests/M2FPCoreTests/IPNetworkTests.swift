import M2FPCore
import Testing

struct IPNetworkTests {
  @Test(arguments: [
    ("10.0.0.0/8", "10.1.2.3"), ("10.0.0.1", "10.0.0.1"), ("192.168.4.0/22", "192.168.7.255"),
    ("0.0.0.0/0", "8.8.8.8"), ("10.0.0.0/8", "::ffff:10.1.2.3"), ("::1", "::1"),
    ("2001:db8::/33", "2001:db8:7fff::1"),
  ])
  func addressesWithTheSameFirstBitsAreInIt(_ network: String, _ address: String) throws {
    #expect(try #require(IPNetwork(network)).contains(#require(IPAddress(address))))
  }

  @Test(arguments: [
    ("10.0.0.0/8", "11.0.0.0"), ("192.168.4.0/22", "192.168.8.0"), ("0.0.0.0/0", "::1"),
    ("2001:db8::/33", "2001:db8:8000::1"),
  ])
  func othersAreNot(_ network: String, _ address: String) throws {
    #expect(try !#require(IPNetwork(network)).contains(#require(IPAddress(address))))
  }

  @Test(arguments: ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "a/8", "10.0.0.0/8/8"])
  func whatIsNoneIsTold(_ text: String) {
    #expect(IPNetwork(text) == nil)
  }
}
