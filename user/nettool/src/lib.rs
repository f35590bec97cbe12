//! `net`: shows and changes the machine's network.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod command;
mod groups;
mod rows;
mod summary;

use alloc::string::String;
use core::net::IpAddr;

use net::{
    Error, Net,
    protocol::{
        Address, AddressAdd, AddressBody, AddressDelete, Addresses, Connections, Counters, Drops,
        Groups, Interfaces, MacBody, NeighbourAdd, NeighbourDelete, Neighbours, Policies,
        PolicyAdd, PolicyDelete, PolicyRow, RouteAdd, RouteBody, RouteDelete, Routes, Sockets,
        Table,
    },
};
use rt::println;

use crate::command::{Change, Command, Network, Route};

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let command = match Command::parse(env.args.iter()) {
        Ok(command) => command,
        Err(reason) => {
            println!("net: {reason}");
            println!("{}", command::USAGE);
            return 2;
        }
    };
    let outcome = rt::block_on(async { perform(&Net::connect().await?, command).await });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            println!("net: {error}");
            1
        }
    }
}

async fn perform(net: &Net, command: Command<'_>) -> Result<(), Error> {
    match command {
        Command::Summary => summary::show(net).await?,
        Command::Links => show::<Interfaces>(net, rows::link).await?,
        Command::Addresses => show::<Addresses>(net, rows::address).await?,
        Command::Routes => show::<Routes>(net, rows::route).await?,
        Command::Neighbours => show::<Neighbours>(net, rows::neighbour).await?,
        Command::Groups => show::<Groups>(net, rows::group).await?,
        Command::Policies => show::<Policies>(net, rows::policy).await?,
        Command::AddPolicy(network, precedence, label) => {
            let policy = policy(network, precedence, label);
            net.call(PolicyAdd { policy }).await?;
        }
        Command::DeletePolicy(network) => {
            let policy = policy(network, 0, 0);
            net.call(PolicyDelete { policy }).await?;
        }
        Command::Hear(ear) => groups::hear(net, ear).await?,
        Command::Say(group, text, hops) => groups::say(net, group, text, hops).await?,
        Command::Sockets => {
            println!("{}", rows::SOCKETS_HEAD);
            show::<Sockets>(net, rows::socket).await?;
        }
        Command::Connections => show::<Connections>(net, rows::connection).await?,
        Command::Statistics => statistics(net).await?,
        Command::Drops => {
            let drops = net.table::<Drops>().await?;
            drops
                .iter()
                .filter_map(rows::counter)
                .for_each(|line| println!("{line}"));
        }
        Command::Lease => summary::leases(net).await?,
        Command::Address(change, network, link) => {
            change_address(net, change, network, link).await?;
        }
        Command::Route(change, route) => change_route(net, change, route).await?,
        Command::AddNeighbour(neighbour, mac, interface) => {
            let mac = MacBody {
                mac: mac.0,
                reserved: [0; 2],
            };
            net.call(NeighbourAdd {
                interface,
                neighbour,
                mac,
            })
            .await?;
        }
        Command::DeleteNeighbour(neighbour, interface) => {
            net.call(NeighbourDelete {
                interface,
                neighbour,
            })
            .await?;
        }
    }
    Ok(())
}

fn policy((network, prefix): Network, precedence: u8, label: u8) -> PolicyRow {
    PolicyRow {
        network: Address::from_network(network, prefix),
        precedence,
        label,
        reserved: [0; 6],
    }
}

/// Shows a table, a line for each row.
async fn show<T: Table>(net: &Net, line: impl Fn(&T::Row) -> String) -> Result<(), Error> {
    let rows = net.table::<T>().await?;
    rows.iter().for_each(|row| println!("{}", line(row)));
    Ok(())
}

async fn statistics(net: &Net) -> Result<(), Error> {
    let stats = net.stats().await?;
    let lines = [
        ("frames received", stats.received_frames),
        ("bytes received", stats.received_bytes),
        ("frames sent", stats.sent_frames),
        ("bytes sent", stats.sent_bytes),
        ("frames delivered", stats.delivered),
        ("frames dropped", stats.dropped),
        ("tcp connections", stats.connections),
        ("tcp half open", stats.half_open),
        ("tcp in time-wait", stats.time_waits),
        ("tcp listeners", stats.listeners),
        ("udp sockets", stats.datagram_sockets),
        ("clients", stats.clients),
        ("clients expelled", stats.expelled),
        ("requests", stats.requests),
        ("requests malformed", stats.malformed),
        ("device faults", stats.device_faults),
    ];
    for (name, count) in lines {
        println!("{name} {count}");
    }
    let counters = net.table::<Counters>().await?;
    counters
        .iter()
        .filter_map(rows::counter)
        .for_each(|line| println!("{line}"));
    Ok(())
}

async fn change_address(
    net: &Net,
    change: Change,
    network: Network,
    interface: u32,
) -> Result<(), Error> {
    let address = AddressBody {
        address: Address::from_network(network.0, network.1),
    };
    match change {
        Change::Add => net.call(AddressAdd { interface, address }).await.map(drop),
        Change::Delete => net
            .call(AddressDelete { interface, address })
            .await
            .map(drop),
    }
}

async fn change_route(net: &Net, change: Change, route: Route) -> Result<(), Error> {
    let (destination, prefix) = route.destination;
    let route = RouteBody {
        destination: Address::from_network(destination, prefix),
        gateway: route
            .gateway
            .map_or(Address::NONE, |ip: IpAddr| Address::from_ip(ip)),
        interface: route.link.into(),
        metric: route.metric.into(),
    };
    match change {
        Change::Add => net.call(RouteAdd { route }).await.map(drop),
        Change::Delete => net.call(RouteDelete { route }).await.map(drop),
    }
}
