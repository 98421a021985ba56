import { startCluster } from "../harness/index.ts";
import { resourceApiContract } from "./resource-api.contract.ts";

resourceApiContract("a real cluster", startCluster);
