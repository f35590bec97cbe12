//! Groups: listening and speaking to them.

use core::net::SocketAddr;

use net::{Error, Family, GroupWish, Net, SocketOption, UdpSocket};
use rt::println;

use crate::command::Ear;

/// Listens to a group and shows what comes, until it was enough.
pub async fn hear(net: &Net, ear: Ear) -> Result<(), Error> {
    let (group, port) = (ear.group.ip(), ear.group.port());
    let socket = UdpSocket::bind_shared(net, ear.group).await?;
    match (ear.only, ear.never) {
        (Some(only), _) => {
            socket
                .group(group, GroupWish::Include, Some(only), 0)
                .await?;
        }
        (None, Some(never)) => {
            socket.join(group).await?;
            socket
                .group(group, GroupWish::Block, Some(never), 0)
                .await?;
        }
        (None, None) => socket.join(group).await?,
    }
    println!("listening to {group} port {port}");
    for _ in 0..ear.count {
        let (chunk, from) = socket.receive_chunk().await?;
        let mut bytes = [0; 1_024];
        let length = chunk.copy_to(&mut bytes);
        let heard = bytes.get(..length).unwrap_or_default();
        println!("{from}: {}", heard.escape_ascii());
    }
    Ok(())
}

/// Says something to a group.
pub async fn say(net: &Net, group: SocketAddr, text: &str, hops: u8) -> Result<(), Error> {
    let socket = UdpSocket::bind(
        net,
        SocketAddr::new(Family::of(group.ip()).unspecified(), 0),
    )
    .await?;
    let hops = hops.into();
    socket.set_option(SocketOption::MulticastTtl, hops).await?;
    socket.send_to(text.as_bytes(), group).await?;
    socket.flush().await
}
