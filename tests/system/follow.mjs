// SPDX-License-Identifier: MIT
// A client as a page or a bot would have it, for the WebSocket of a browser
// and for that of the npm package ws: subscribes to a group, says hello once,
// and resumes when it was closed. log() gets each frame and event, in order.
export function follow({ WebSocket, url, token, group, name, log }) {
  let last = 0;
  let epoch;
  let greeted = false;
  let retry = 200;

  function answer(send, frame) {
    if (frame.type === 'hello') {
      const where = { group, after_seq: last };
      if (epoch)
        where.epoch = epoch;
      send({ type: 'subscribe', groups: [where] });
    } else if (frame.type === 'message' && frame.group === group) {
      last = frame.sequence_number;
    } else if (frame.type === 'live' && frame.group === group) {
      epoch = frame.epoch;
      if (!greeted)
        send({ type: 'send', id: 'first', group, content: `I am ${name}` });
      greeted = true;
    } else if (frame.type === 'bye') {
      retry = Math.min(frame.retry_after_ms, 500);
    }
  }

  function connect() {
    const ws = new WebSocket(url, 'groupfs.v1');
    const send = (frame) => ws.send(JSON.stringify(frame));

    ws.onopen = () => {
      log({ type: 'open', protocol: ws.protocol });
      send({ type: 'auth', token });
    };
    ws.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      log(frame);
      answer(send, frame);
    };
    ws.onerror = () => {}; // onclose follows
    ws.onclose = (event) => {
      log({ type: 'closed', code: event.code });
      setTimeout(connect, retry);
    };
    // A browser does not show these.
    if (ws.on)
      ws.on('ping', () => log({ type: 'pinged' }));
  }
  connect();
}
