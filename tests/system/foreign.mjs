// SPDX-License-Identifier: MIT
// node foreign.mjs GROUP NAME: follow() with the npm package ws, which lies in
// $WS; $URL, $TOKEN. Frames go to stdout, a line each.
import { createRequire } from 'node:module';
import { follow } from './follow.mjs';

const [group, name] = process.argv.slice(2);
follow({
  WebSocket: createRequire(`${process.env.WS}/`)('ws'),
  url: process.env.URL.replace('http', 'ws') + '/api/ws',
  token: process.env.TOKEN,
  group,
  name,
  log: (frame) => console.log(JSON.stringify(frame)),
});
