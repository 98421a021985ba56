"use strict";
const { spawn } = require("node:child_process");
const { join } = require("node:path");

/** Makes the bundles before they are packaged, on the Node that package.json pins. */
module.exports = class Bundles {
  constructor(serverless) {
    this.hooks = {
      "before:package:createDeploymentArtifacts": () =>
        bundle(serverless.config.serviceDir, serverless.service.custom?.settings?.injectorFleet),
    };
  }
};

function bundle(root, injectorFleet) {
  const folder = join(root, "build/functions");
  const args = [join(root, "bin/node24.js"), join(root, "infra/bundle.ts"), folder];
  if (injectorFleet) args.push(injectorFleet);
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error("the functions could not be bundled"))));
  });
}
