//! How the machine is on its links, in a few lines: the first as long as it is the only one, the others behind
//! it by their numbers.

use alloc::vec::Vec;

use net::{
    Error, Net,
    protocol::{Addresses, InterfaceRow, Interfaces, LeaseBody, Routes, link, text_of},
};
use rt::println;

use crate::rows;

/// An address that is used, among an interface's.
const PREFERRED: u8 = 1;

/// Host, links, addresses, gateways and name servers.
pub async fn show(net: &Net) -> Result<(), Error> {
    let info = net.info().await?;
    let state = match info.state {
        state if state & link::PRESENT == 0 => "no network device",
        state if state & link::UP == 0 => "down",
        _ => "up",
    };
    println!("host    {}", text_of(&info.hostname));
    println!("link    {} {state} mtu {}", rows::mac(info.mac), info.mtu);
    if info.state & link::PRESENT != 0 {
        println!("nic     {}", rows::offloads(info.offloads.get()));
    }
    println!(
        "address {} {}",
        rows::network(&info.address),
        rows::source(info.source)
    );
    println!("gateway {}", rows::ip(&info.gateway));
    for server in info.name_servers.iter().filter(|server| server.family != 0) {
        println!("dns     {}", rows::ip(server));
    }
    let links = wires(net).await?;
    others(net, links.get(1..).unwrap_or_default()).await
}

/// The links behind the first.
async fn others(net: &Net, links: &[InterfaceRow]) -> Result<(), Error> {
    if links.is_empty() {
        return Ok(());
    }
    let addresses = net.table::<Addresses>().await?;
    let routes = net.table::<Routes>().await?;
    for row in links {
        println!("{}", rows::link_in_short(row));
        let mut own = addresses.iter();
        let own = own.find(|it| it.interface == row.interface && it.state == PREFERRED);
        match own {
            Some(own) => println!(
                "address {} {}",
                rows::network(&own.address),
                rows::source(own.source)
            ),
            None => println!("address none"),
        }
        let default = routes.iter().find(|it| {
            it.interface == row.interface && it.destination.prefix == 0 && it.gateway.family != 0
        });
        if let Some(route) = default {
            println!("gateway {}", rows::ip(&route.gateway));
        }
    }
    Ok(())
}

/// The links that lead somewhere.
async fn wires(net: &Net) -> Result<Vec<InterfaceRow>, Error> {
    let mut links = net.table::<Interfaces>().await?;
    links.retain(|row| row.loopback == 0);
    Ok(links)
}

/// The leases of all links.
pub async fn leases(net: &Net) -> Result<(), Error> {
    let links = wires(net).await?;
    let mut has_any = false;
    for row in &links {
        if let Some(lease) = net.lease_of(row.interface.get()).await? {
            if links.len() > 1 {
                println!("link      {}", row.interface);
            }
            show_lease(&lease);
            has_any = true;
        }
    }
    if !has_any {
        println!("no lease");
    }
    Ok(())
}

fn show_lease(lease: &LeaseBody) {
    println!("address   {}", rows::network(&lease.address));
    println!("server    {}", rows::ip(&lease.server));
    println!("router    {}", rows::ip(&lease.router));
    for server in lease
        .name_servers
        .iter()
        .filter(|server| server.family != 0)
    {
        println!("dns       {}", rows::ip(server));
    }
    println!("state     {}", text_of(&lease.state));
    println!(
        "time      {} s of {} s left",
        lease.remaining, lease.seconds
    );
}
