//! The table by which addresses are chosen: read by all, changed by those who may.

use net::protocol::{Address, Policies, PolicyAdd, PolicyDelete, PolicyRow};
use net::{Code, Error};

use crate::common::World;

fn row(network: &str, prefix: u8, precedence: u8, label: u8) -> PolicyRow {
    PolicyRow {
        network: Address::from_network(network.parse().expect(network), prefix),
        precedence,
        label,
        reserved: [0; 6],
    }
}

#[test]
fn destinations_are_tried_in_the_order_of_the_machines_table() {
    let world = World::new();
    world.run(async {
        let (admin, _one) = world.client(true).await;
        let (net, _other) = world.client(false).await;
        let four = row("::ffff:0:0", 96, 100, 4);
        let order = async || {
            let found = net.addresses_of("localhost", None).await.expect("known");
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(order().await, ["::1", "127.0.0.1"]);
        let refused = net.call(PolicyDelete { policy: four }).await;
        assert_eq!(refused.map(drop), Err(Error::Denied));
        let refused = net.call(PolicyAdd { policy: four }).await;
        assert_eq!(refused.map(drop), Err(Error::Denied));
        let twice = admin.call(PolicyAdd { policy: four }).await;
        assert_eq!(twice.map(drop), Err(Error::Other(Code::Exists)));
        admin
            .call(PolicyDelete { policy: four })
            .await
            .expect("was");
        // What is said of IPv4 as such is the same.
        let policy = row("0.0.0.0", 0, 100, 4);
        admin.call(PolicyAdd { policy }).await.expect("is not");
        assert_eq!(order().await, ["127.0.0.1", "::1"]);
        let rows = net.table::<Policies>().await.expect("a table");
        assert_eq!(rows.len(), 9);
        assert!(rows.contains(&four), "{rows:?}");
        let bad = row("fd00::1", 8, 1, 1);
        let refused = admin.call(PolicyAdd { policy: bad }).await;
        assert_eq!(refused.map(drop), Err(Error::Other(Code::BadAddress)));
        let far = row("10.0.0.0", 250, 1, 1);
        let refused = admin.call(PolicyAdd { policy: far }).await;
        assert_eq!(refused.map(drop), Err(Error::Other(Code::BadAddress)));
    });
}
