Feature: Two nodes, no STONITH
  R2 as its author had it: "No STONITH device configured. Shared disks are not protected". The ping node decides
  who serves when a node loses the clients; it does not help when the nodes only lose each other.

  @known_bad
  Scenario: Heartbeat cut without STONITH mounts the export twice
    Given the topology "web-nfs-heartbeat" is up and "web" is answering
    And the promise "single mount" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When the heartbeat network of the active node is cut
    Then the promise "single mount" is broken within 30 seconds
    And the promise "fence before takeover" is broken within 30 seconds
    And the promise "single VIP owner" is broken within 30 seconds
    And the promise "one instance" is broken within 60 seconds
    When the networks of the active node are mended
    Then the cluster is whole again within 90 seconds

  @known_bad
  Scenario: Heartbeat's UDP port alone is cut
    Given the topology "web-nfs-heartbeat" is up and "web" is answering
    And the promise "single mount" is expected to break
    And the promise "fence before takeover" is expected to break
    And the promise "single VIP owner" is expected to break
    And the promise "one instance" is expected to break
    And an outage of "web" is expected: its address is on two nodes
    When the heartbeat packets on the heartbeat network are dropped
    Then the promise "single mount" is broken within 30 seconds
    And the promise "one instance" is broken within 60 seconds
