import { startCluster } from "../harness/index.ts";
import { resourceEndContract } from "./resource-end.contract.ts";

resourceEndContract("a real cluster", startCluster);
